// A memory with one port to write and one to read; what is read comes a clock later.
// FILE, if it is given, holds its first contents, one hexadecimal word a line.
module sbp_ram #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS = 1,  // bits
    parameter FILE = ""
) (
    input wire clk,
    input wire write,
    input wire [ADDRESS-1:0] to,
    input wire [WIDTH-1:0] data,
    input wire [ADDRESS-1:0] from,
    output reg [WIDTH-1:0] q
);
  reg [WIDTH-1:0] word[0:DEPTH-1];
  initial if (FILE != "") $readmemh(FILE, word);
  always @(posedge clk) begin
    if (write) word[to] <= data;
    q <= word[from];
  end
endmodule
