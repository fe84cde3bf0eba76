import { expect, test } from "bun:test";
import { RelayError } from "../../lib/relay/error.ts";
import { listenFor, placeOf } from "../../lib/relay/listener.ts";

test("A place that is taken is named, with its option and what to do", async () => {
  const listen = (port: number) =>
    listenFor(
      { host: "127.0.0.1", port },
      "--anonymous-inbound",
      (socket) => socket.destroy(),
      () => undefined,
    );
  const first = await listen(0);
  try {
    const { port } = placeOf(first);
    const error = await listen(port).catch((cause: unknown) => cause);
    if (!(error instanceof RelayError)) throw new Error("It was taken twice.");
    expect(error.message).toContain(`127.0.0.1:${port} for --anonymous-inbound`);
    expect(error.message).toContain("give another place there, or end what listens on it.");
  } finally {
    first.close();
  }
});
