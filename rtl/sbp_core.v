// One core that runs an sbp program: any neurons of Loihi 1, delays, and the learning rule.
//
// A step.  UPDATE: every neuron takes what arrives in this step, and fires or not.  Then every
// synapse of every neuron and source line that fired is visited once: its weight is read and sent,
// to act 1 + delay steps later; if it is plastic and its target has fired too, it is then changed
// and clipped to -256 .. 254.
//
// After reset the core clears its state and stands at the step before the first: source lines
// given then are the kick, and `start` sends them without an update.
module sbp_core #(
    parameter integer NEURONS = 2,
    parameter integer LINES = 1,  // of all sources
    parameter integer SYNAPSES = 2,
    parameter integer SLOTS = 1,  // longest delay + 1, at most 63
    parameter integer DW_REWARD = 2,
    parameter integer DW_OTHERWISE = -2,
    // bits of: a neuron's number, a neuron's or line's, a synapse's address, one past it, a slot
    parameter NW = NEURONS > 1 ? $clog2(NEURONS) : 1,
    parameter IW = $clog2(NEURONS + LINES),
    parameter AW = SYNAPSES > 1 ? $clog2(SYNAPSES) : 1,
    parameter PW = $clog2(SYNAPSES + 1),
    parameter SW = SLOTS > 1 ? $clog2(SLOTS) : 1
) (
    input wire clk,
    input wire reset,
    output wire ready,  // waits for lines, for `start` and for the host
    // spikes in: a source line that spikes in the step about to be made
    input wire line_valid,
    input wire [IW-1:0] line,
    // a step, with or without the reward spike
    input wire start,
    input wire reward,
    output reg done,
    // spikes out: the neurons that fire in this step, in ascending order
    output reg spike_valid,
    output reg [IW-1:0] spike,
    // the host's port to the weights while the core is ready; what is read comes a clock later
    input wire [AW-1:0] host_address,
    input wire host_write,
    input wire [8:0] host_data,
    output wire [8:0] host_weight
);
  localparam [2:0] CLEAR = 0, READY = 1, UPDATE = 2, POP = 3, FETCH = 4, RANGE = 5, AIM = 6,
      ADD = 7;
  localparam integer LAST_NEURON = NEURONS - 1, LAST_SLOT = SLOTS - 1;

  reg [2:0] state;
  reg before_first, rewarded;
  reg [SW-1:0] slot;  // the row of what arrives in this step
  reg [SW+NW-1:0] sweep;  // the word of that memory that is cleared
  reg [IW-1:0] next, now;  // neuron whose words are asked for, and whose words are here
  reg now_valid;
  reg [IW:0] head, tail;  // of the queue of those that have fired
  reg [PW-1:0] synapse, stop;

  assign ready = state == READY;
  wire updating = state == UPDATE && now_valid;
  wire adding = state == ADD;

  // words of the memories
  wire [79:0] kind;  // {dv, du, refractory, threshold, bias} of a neuron
  wire [53:0] held, after;  // {dead, v, u} of a neuron, and a step later
  wire [23:0] arriving;
  wire fires, target_fired;
  wire [IW-1:0] sender;
  wire [2*PW-1:0] range;  // {one past the last, first} synapse of a sender
  wire [NW+SW+4:0] word;  // {plastic, shift, delay, target} of a synapse
  wire [8:0] weight;
  wire [NW-1:0] target = word[NW-1:0];
  wire [PW-1:0] asked = state == RANGE ? range[PW-1:0] : adding ? synapse + 1'b1 : synapse;

  // what a synapse learns, and what it brings
  wire learns = adding && word[NW+SW+4] && target_fired;
  wire signed [10:0] moved = $signed({{2{weight[8]}}, weight})
      + $signed(rewarded ? DW_REWARD[10:0] : DW_OTHERWISE[10:0]);
  wire [8:0] learned = moved > 254 ? 9'd254 : moved < -256 ? 9'h100 : moved[8:0];
  wire [23:0] brought = {{15{weight[8]}}, weight} << word[NW+SW+3:NW+SW];

  // --- neurons: what they are, and their state ------------------------------------------------
  sbp_ram #(.WIDTH(80), .DEPTH(NEURONS), .ADDRESS(NW), .FILE("neuron.hex")) kinds (
      .clk(clk), .write(1'b0), .to({NW{1'b0}}), .data(80'd0), .from(next[NW-1:0]), .q(kind));
  sbp_ram #(.WIDTH(54), .DEPTH(NEURONS), .ADDRESS(NW)) states (
      .clk(clk), .write(updating || state == CLEAR),
      .to(updating ? now[NW-1:0] : sweep[NW-1:0]), .data(updating ? after : 54'd0),
      .from(next[NW-1:0]), .q(held));
  sbp_neuron neuron (.kind(kind), .state(held), .arriving(arriving), .after(after), .spike(fires));

  // --- who has fired: a bit for each neuron, and all senders in a queue -----------------------
  wire queued = (ready && line_valid) || (updating && fires);
  sbp_ram #(.WIDTH(1), .DEPTH(NEURONS), .ADDRESS(NW)) fired (
      .clk(clk), .write(updating), .to(now[NW-1:0]), .data(fires), .from(target),
      .q(target_fired));
  sbp_ram #(.WIDTH(IW), .DEPTH(NEURONS + LINES), .ADDRESS(IW)) queue (
      .clk(clk), .write(queued), .to(tail[IW-1:0]), .data(ready ? line : now),
      .from(head[IW-1:0]), .q(sender));

  // --- synapses -------------------------------------------------------------------------------
  sbp_ram #(.WIDTH(2 * PW), .DEPTH(NEURONS + LINES), .ADDRESS(IW), .FILE("sender.hex")) senders (
      .clk(clk), .write(1'b0), .to({IW{1'b0}}), .data({2 * PW{1'b0}}), .from(sender), .q(range));
  sbp_ram #(.WIDTH(NW + SW + 5), .DEPTH(SYNAPSES), .ADDRESS(AW), .FILE("synapse.hex")) synapses (
      .clk(clk), .write(1'b0), .to({AW{1'b0}}), .data({NW + SW + 5{1'b0}}), .from(asked[AW-1:0]),
      .q(word));
  sbp_ram #(.WIDTH(9), .DEPTH(SYNAPSES), .ADDRESS(AW), .FILE("weight.hex")) weights (
      .clk(clk), .write(learns || (ready && host_write)),
      .to(ready ? host_address : synapse[AW-1:0]), .data(ready ? host_data : learned),
      .from(ready ? host_address : asked[AW-1:0]), .q(weight));
  assign host_weight = weight;

  // --- what arrives: a row for each of the coming steps, register units modulo 2^24 -----------
  wire [SW:0] ahead = {1'b0, slot} + 1'b1 + {1'b0, word[NW+SW-1:NW]};
  wire [SW-1:0] then = ahead[SW-1:0] - (ahead >= SLOTS[SW:0] ? SLOTS[SW-1:0] : {SW{1'b0}});
  wire [SW+NW-1:0] there = {then, target};
  sbp_ram #(.WIDTH(24), .DEPTH(1 << (SW + NW)), .ADDRESS(SW + NW)) arrivals (
      .clk(clk), .write(state == CLEAR || updating || adding),
      .to(updating ? {slot, now[NW-1:0]} : adding ? there : sweep),
      .data(adding ? arriving + brought : 24'd0),
      .from(state == UPDATE ? {slot, next[NW-1:0]} : there), .q(arriving));

  always @(posedge clk) begin
    done <= 0;
    spike_valid <= updating && fires;
    spike <= now;
    if (queued) tail <= tail + 1'b1;
    case (state)
      CLEAR: begin
        sweep <= sweep + 1'b1;
        if (&sweep) state <= READY;
      end
      READY:
        if (start) begin
          rewarded <= reward;
          next <= 0;
          now_valid <= 0;
          state <= before_first ? POP : UPDATE;
        end
      UPDATE: begin
        next <= next + 1'b1;
        now <= next;
        now_valid <= 1;
        if (now_valid && now == LAST_NEURON[IW-1:0]) state <= POP;
      end
      POP:
        if (head == tail) begin
          head <= 0;
          tail <= 0;
          before_first <= 0;
          slot <= slot == LAST_SLOT[SW-1:0] ? {SW{1'b0}} : slot + 1'b1;
          done <= 1;
          state <= READY;
        end else state <= FETCH;
      FETCH: state <= RANGE;
      RANGE: begin
        head <= head + 1'b1;
        synapse <= range[PW-1:0];
        stop <= range[2*PW-1:PW];
        state <= range[PW-1:0] == range[2*PW-1:PW] ? POP : AIM;
      end
      AIM: state <= ADD;
      ADD: begin
        synapse <= asked;
        state <= asked == stop ? POP : AIM;
      end
    endcase
    if (reset) begin
      state <= CLEAR;
      sweep <= 0;
      slot <= LAST_SLOT[SW-1:0];
      before_first <= 1;
      head <= 0;
      tail <= 0;
    end
  end
endmodule
