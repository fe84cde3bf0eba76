// Accepts connections and waits for them to close: where a benchmark's SOCKS connects lead.
const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: { data() {} },
});
process.stdout.write(`${JSON.stringify({ port: listener.port })}\n`);
