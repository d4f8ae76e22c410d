// One step of one neuron, in Loihi 1 integers: u <- D(u, du) + arriving, then, outside the dead
// time, v <- D(v, dv) + u + bias, both modulo 2^24; a spike if v > threshold.
module sbp_neuron (
    input wire [79:0] kind,  // {dv, du, refractory, threshold, bias}, constant
    input wire [53:0] state,  // {dead, v, u} before the step
    input wire [23:0] arriving,
    output wire [53:0] after,
    output wire spike
);
  wire [12:0] dv, du;
  wire [5:0] refractory, dead;
  wire [23:0] threshold, bias, v, u, v_left, u_left;
  assign {dv, du, refractory, threshold, bias} = kind;
  assign {dead, v, u} = state;
  sbp_decay decay_u (.x(u), .d(du), .left(u_left));
  sbp_decay decay_v (.x(v), .d(dv), .left(v_left));

  wire [23:0] new_u = u_left + arriving;
  wire [23:0] new_v = v_left + new_u + bias;
  wire alive = dead == 0;
  assign spike = alive && $signed(new_v) > $signed(threshold);
  assign after = {
    spike ? refractory - 6'd1 : alive ? 6'd0 : dead - 6'd1, alive && !spike ? new_v : 24'd0, new_u
  };
endmodule
