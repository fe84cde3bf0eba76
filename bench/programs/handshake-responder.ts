// Answers every handshake with the same bytes: shows what the benchmark's client can do alone.
import { readFileSync } from "node:fs";

const [answerFile = "", requestBytes = ""] = process.argv.slice(2);
const answer = readFileSync(answerFile);
const expected = Number(requestBytes);

const listener = Bun.listen<{ received: number }>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { received: 0 };
    },
    data(socket, bytes) {
      socket.data.received += bytes.length;
      if (socket.data.received === expected) socket.write(answer);
    },
  },
});
process.stdout.write(`${JSON.stringify({ port: listener.port })}\n`);
