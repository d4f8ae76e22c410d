/* The shapes of what sbp.app.lab and sbp.app.figures write, and of what the scripts pass on.

   Each script is a function that runs at once; what it gives to the others is in one name, and
   window.SBP holds all of them.  So their types are those that tsc finds in the scripts. */

declare namespace Lab {
  // -- a program: sbp.app.lab.encode_program ----------------------------------------------------

  interface Population {
    name: string;
    start: number;
    size: number;
    bias: number;
    threshold: number;
    refractory: number;
    du: number;
    dv: number;
  }

  interface Source {
    name: string;
    start: number;
    size: number;
    /** -1: a spike before the first step. */
    phase: number;
  }

  interface Projection {
    name: string;
    /** Among the populations, and after them the sources. */
    source: number;
    target: number;
    /** 0: neuron to neuron; 1: every neuron to every neuron. */
    connect: number;
    delay: number;
    mantissa: number;
    exponent: number;
    /** Among the parameters; -1: one fixed weight. */
    matrix: number;
    transpose: number;
    negate: number;
    plastic: number;
    scheduled: number[];
    kind: string;
  }

  interface Parameter {
    name: string;
    n_post: number;
    n_pre: number;
  }

  interface Program {
    name: string;
    digest: string;
    sizes: number[];
    period: number;
    populations: Population[];
    sources: Source[];
    projections: Projection[];
    parameters: Parameter[];
    /** Phase -> 1 with the reward, else 0. */
    reward: number[];
    /** Phase -> the populations that may fire. */
    fires: number[][];
    /** What a synapse learns without the reward, and with it. */
    dw: [number, number];
    notes: string[];
  }

  // -- a session: what an engine is given and gives ---------------------------------------------

  /** Row by row, a row for each target. */
  type Weights = Record<string, Int16Array>;

  /** Source -> what it emits, a byte 0/1 for each line. */
  type Sample = Partial<Record<string, ArrayLike<number>>>;

  /** A sample of the two circuits in the lab. */
  interface Digit extends Sample {
    input: Uint8Array;
    target?: Uint8Array;
  }

  interface Labelled {
    input: Uint8Array;
    label: number;
  }

  /** What one step taught the synapses of one projection. */
  interface Learned {
    projection: Projection;
    dw: number;
    synapses: number;
  }

  /** Step -> population or source -> the neurons that spiked. */
  type Rows = Record<string, number[]>[];

  interface Answer {
    /** The outputs that fire. */
    spikes: number[];
    /** W2 h of each output. */
    sums: number[];
    /** The answer by spikes, and by membrane. */
    spike: number;
    membrane: number;
  }

  interface Tally {
    exact: number;
    spike: number;
    membrane: number;
  }

  // -- the lab ----------------------------------------------------------------------------------

  type Circuit = "learning" | "inference";

  /** Each matrix in base 64: half of every weight, int8. */
  type Packed = Record<string, string>;

  interface NetworkData {
    learning: Program;
    inference: Program;
    weights: Packed;
  }

  interface Exam {
    size: number;
    inputs: string;
    labels: string;
  }

  interface DrawnData extends NetworkData {
    exam: Exam;
  }

  interface ScratchData extends NetworkData {
    digits: { n_train: number; n_test: number; inputs: string; labels: string };
  }

  interface LabData {
    drawn: DrawnData;
    scratch: ScratchData;
  }

  type Point = [number, number];

  /** Points in hundredths of the pad. */
  type Stroke = Point[];

  /** A round of the ring for one sample. */
  interface Turn {
    kind: Circuit;
    sample: Digit;
    label?: number;
    /** What was read before. */
    was?: Answer;
  }

  /** A turn under way: its engine, and the engine's counters as it began. */
  interface Running extends Turn {
    engine: Engine;
    before: number[];
  }

  /** A turn that has ended, and how many synaptic updates it made. */
  interface Done extends Turn {
    updates: number;
  }

  interface Box {
    x: number;
    y: number;
    w: number;
    h: number;
    cell: number;
    columns: number;
    /** A row of outputs, with its name on the left. */
    row?: boolean;
  }

  /** Four Bezier points. */
  type Path = [Point, Point, Point, Point];

  type Child = Node | string;

  type Named<Name extends string> =
    Name extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Name] : HTMLElement;

  /** The element that "tag.class.class" makes. */
  type Made<Tag extends string> =
    Tag extends `${infer Name}.${string}` ? Named<Name> : Named<Tag>;

  /** An element's attributes; a function listens to the event. */
  type Attributes = Record<string, unknown> & {
    [Event in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Event]) => void;
  };

  // -- the figures ------------------------------------------------------------------------------

  interface Frame {
    name: string;
    ring: number;
    layers: number[];
    /** Population -> neurons. */
    sizes: Record<string, number>;
    /** Without a phase: a spike before the first step. */
    sources: { name: string; size: number; phase: number | null }[];
    parameters?: Parameter[];
    phases?: { fires?: string[]; learns?: string[]; reward?: boolean; note?: string }[];
    /** Populations that may fire in consecutive steps. */
    twice?: string[];
  }

  interface Case {
    given: Record<string, number[]>[];
    sample: number;
    phase: number;
    population: string;
    fires: number[];
    hint: string;
  }

  /** sbp.app.exercises.Puzzle. */
  interface Puzzle extends Frame {
    question: string;
    form: "number" | "choice" | "lines" | "timetable";
    right: string;
    text: string;
    span: [number, number, number];
    texts: Record<string, string>;
    rows: Record<string, string[]>;
    fewest: string;
    entries: number;
    matrix: number[][];
    cases: Case[];
  }

  /** A number, a choice, lines, or a timetable. */
  type Reply = number | string | Record<string, number[]>;

  interface Verdict {
    /** Absent while there is nothing to judge. */
    right?: boolean;
    text: string;
  }

  interface Taught {
    program: Program;
    weights: Packed;
  }

  interface FiguresData {
    neuron: Program;
    chain: Program;
    thresholds: Program;
    single: Taught;
    turn: Taught;
    deep: Record<string, Taught & { input: number[]; target: number[] }>;
    digits: { inputs: string; labels: string };
    puzzles: Record<string, Puzzle>;
  }

  /** A golden trace; stimulus by samples and spikes by steps, a bit for each neuron. */
  interface Trace extends Taught {
    name: string;
    samples: number;
    stimulus: Record<string, string>;
    spikes: Record<string, string>;
  }

  /** What the scripts of data hold. */
  interface Given {
    SBP_LAB: LabData;
    SBP_FIGURES: FiguresData;
    SBP_TRACES: Trace[];
  }

  type Builder = (root: HTMLElement, data: FiguresData) => void | Promise<void>;

  interface Colours {
    on: string;
    off: string;
    ink: string;
    muted: string;
    gate: string;
    shut: string;
    plus: string;
    minus: string;
    line: string;
  }

  // -- what the scripts give --------------------------------------------------------------------

  type Namespace = typeof sbpPacked & typeof sbpEngine & typeof sbpDraw & typeof sbpLayout &
    typeof sbpStage & typeof sbpMaps & typeof sbpExplain & typeof sbpNetwork & typeof sbpTrace &
    typeof sbpPad & typeof sbpBench & typeof sbpReading & typeof sbpMeter & typeof sbpDrawing &
    typeof sbpScratch & typeof sbpLink & typeof sbpKit & typeof sbpWiring & typeof sbpPuzzles & {
      /** The modes of the lab that have been opened. */
      lab?: Partial<Modes>;
    };

  type Engine = InstanceType<Namespace["Engine"]>;
  type Network = InstanceType<Namespace["Network"]>;
  type Bench = InstanceType<Namespace["Bench"]>;
  type Drawing = InstanceType<Namespace["Drawing"]>;
  type Scratch = InstanceType<Namespace["Scratch"]>;
  type WeightMap = InstanceType<Namespace["WeightMap"]>;

  interface Modes {
    drawing: Drawing;
    scratch: Scratch;
    link: InstanceType<Namespace["Link"]>;
  }
}

interface Window {
  SBP: Lab.Namespace;
  SBP_LAB?: string;
  SBP_FIGURES?: string;
  SBP_TRACES?: string;
}
