import { createServer } from "node:net";

// Greets whoever comes, on a port that it prints, until its standard input ends.
const server = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => socket.end(process.argv[2] ?? ""));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
