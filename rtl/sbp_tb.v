// Replays a trace on sbp_core, spike for spike and weight for weight.  Runs in the folder that
// `sbp program images PROGRAM DIR --trace TRACE` wrote.
`include "params.vh"

module sbp_tb;
  localparam integer N = `SBP_NEURONS, ALL = `SBP_NEURONS + `SBP_LINES, S = `SBP_SYNAPSES;
  localparam integer IW = $clog2(ALL), AW = S > 1 ? $clog2(S) : 1;

  reg clk = 0, reset = 1, line_valid = 0, start = 0, reward = 0;
  reg [IW-1:0] line = 0;
  reg [AW-1:0] address = 0;
  wire ready, done, spike_valid;
  wire [IW-1:0] spike;
  wire [8:0] weight;
  always #5 clk <= !clk;

  sbp_core #(
      .NEURONS(N), .LINES(`SBP_LINES), .SYNAPSES(S), .SLOTS(`SBP_SLOTS),
      .DW_REWARD(`SBP_DW_REWARD), .DW_OTHERWISE(`SBP_DW_OTHERWISE)
  ) core (
      .clk(clk), .reset(reset), .ready(ready), .line_valid(line_valid), .line(line),
      .start(start), .reward(reward), .done(done), .spike_valid(spike_valid), .spike(spike),
      .host_address(address), .host_write(1'b0), .host_data(9'd0), .host_weight(weight));

  reg rewards[0:`SBP_PERIOD-1];
  reg [8:0] at_first[0:S-1], at_last[0:S-1];
  reg [ALL-1:0] want, got;
  integer file, steps, step, number, count, who, i, c;
  integer spikes = 0, differ = 0, moved = 0, wrong = 0;
  real cycles = 0;

  task fail(input integer at);
    begin
      $display("trace.txt is not as it should be at step %0d", at);
      $finish;
      @(negedge clk);
    end
  endtask

  task skip_line;
    begin
      c = $fgetc(file);
      while (c != "\n" && c != -1) c = $fgetc(file);
      if (c == -1) fail(-1);
    end
  endtask

  task give(input [IW-1:0] source_line);
    begin
      line_valid = 1;
      line = source_line;
      @(negedge clk) line_valid = 0;
    end
  endtask

  task make_step;
    begin
      got = 0;
      start = 1;
      @(negedge clk) start = 0;
      cycles = cycles + 1;
      while (!done) begin
        if (spike_valid) begin
          got[spike] = 1;
          spikes = spikes + 1;
        end
        @(negedge clk) cycles = cycles + 1;
      end
    end
  endtask

  initial begin
    $readmemb("reward.hex", rewards);
    $readmemh("weight.hex", at_first);
    $readmemh("weight_end.hex", at_last);
    repeat (4) @(negedge clk);
    reset = 0;
    while (!ready) @(negedge clk);

    file = $fopen("kick.hex", "r");
    while ($fscanf(file, "%h", who) == 1) give(who[IW-1:0]);
    $fclose(file);
    make_step;
    cycles = 0;

    file = $fopen("trace.txt", "r");
    while ($fscanf(file, "samples %d steps %d", count, steps) != 2) skip_line;
    while ($fscanf(file, "step %d spikes %d:", number, count) != 2) skip_line;
    for (step = 0; step < steps; step = step + 1) begin
      if (number != step) fail(step);
      want = 0;
      for (i = 0; i < count; i = i + 1) begin
        if ($fscanf(file, "%d", who) != 1 || who >= ALL) fail(step);
        if (who < N) want[who] = 1;
        else give(who[IW-1:0]);
      end
      reward = rewards[step % `SBP_PERIOD];
      make_step;
      for (i = 0; i < N && got !== want; i = i + 1)
        if (got[i] !== want[i]) begin
          if (differ == 0)
            $display("step %0d, neuron %0d: %b in the trace, %b here", step, i, want[i], got[i]);
          differ = differ + 1;
        end
      if (step < steps - 1 && $fscanf(file, "\nstep %d spikes %d:", number, count) != 2)
        fail(step);
    end

    for (i = 0; i < S; i = i + 1) begin
      address = i[AW-1:0];
      @(negedge clk);
      if (weight !== at_last[i]) wrong = wrong + 1;
      if (at_first[i] !== at_last[i]) moved = moved + 1;
    end
    $display("%0d steps, %0d spikes, %0d differ; %0d weights, %0d moved, %0d differ; %0.0f cycles",
             steps, spikes, differ, S, moved, wrong, cycles);
    $finish;
  end
endmodule
