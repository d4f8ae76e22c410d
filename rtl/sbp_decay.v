// What is left of x after a step: sign(x) * floor(|x| * (4096 - d) / 4096), for d of 0 .. 4096.
module sbp_decay (
    input wire [23:0] x,
    input wire [12:0] d,
    output wire [23:0] left
);
  wire [23:0] size = x[23] ? -x : x;
  wire [12:0] kept = 13'd4096 - d;
  wire [35:0] product = {12'd0, size} * {23'd0, kept};
  assign left = x[23] ? -product[35:12] : product[35:12];
  wire unused = &product[11:0];
endmodule
