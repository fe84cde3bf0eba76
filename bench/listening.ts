import { connect } from "node:net";

const TRIES_MAX = 200;
const PAUSE_MS = 25;

/**
 * Waits until somebody listens on a port of 127.0.0.1, for programs that don't say so.
 *
 * @param port which
 * @throws Error after five seconds
 */
export async function waitUntilListening(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (await answers(port)) return;
    await Bun.sleep(PAUSE_MS);
  }
  throw new Error(`Nobody listens on 127.0.0.1:${port}.`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
