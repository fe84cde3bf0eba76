import type { Socket } from "bun";
import { LEVIN_HEADER_BYTES } from "../lib/levin/header.ts";

/** Where in a header of a response its length, command and return code stand. */
const LENGTH_OFFSET = 8;
const COMMAND_OFFSET = 17;
const RETURN_CODE_OFFSET = 21;
const HANDSHAKE = 1001;
const SUCCESS = 1;

interface Conversation {
  readonly header: Uint8Array;
  received: number;
  /** Bytes of the whole answer; 0 until its header is there. */
  expected: number;
  readonly done: (problem: Error | undefined) => void;
}

/**
 * Opens a connection, sends a handshake, waits for the whole answer and closes, over and over. It
 * looks at the answer's header alone, and uses the runtime's own sockets, so that what answers is
 * the bottleneck.
 *
 * @param port where to, on 127.0.0.1
 * @param request a whole Levin message
 * @param concurrency connections at a time
 * @param milliseconds how long
 * @returns handshakes a second
 * @throws Error when an answer is not a successful handshake or the connection breaks
 */
export async function handshakesPerSecond(
  port: number,
  request: Uint8Array,
  concurrency: number,
  milliseconds: number,
): Promise<number> {
  const start = performance.now();
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - start < milliseconds) {
      await handshake(port, request);
      count++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (count * 1_000) / (performance.now() - start);
}

function handshake(port: number, request: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const conversation: Conversation = {
      header: new Uint8Array(LEVIN_HEADER_BYTES),
      received: 0,
      expected: 0,
      done: (problem) => (problem === undefined ? resolve() : reject(problem)),
    };
    Bun.connect<Conversation>({
      hostname: "127.0.0.1",
      port,
      data: conversation,
      socket: {
        open: (socket) => void socket.write(request),
        data: take,
        close: (socket) => socket.data.done(new Error("The connection was closed too early.")),
        error: (socket, error) => socket.data.done(error),
      },
    }).catch(reject);
  });
}

function take(socket: Socket<Conversation>, bytes: Uint8Array): void {
  const conversation = socket.data;
  const { header, received } = conversation;
  if (received < header.length) {
    header.set(bytes.subarray(0, header.length - received), received);
  }
  conversation.received += bytes.length;
  if (conversation.expected === 0 && conversation.received >= header.length) {
    const view = new DataView(header.buffer);
    if (
      view.getUint32(COMMAND_OFFSET, true) !== HANDSHAKE ||
      view.getInt32(RETURN_CODE_OFFSET, true) !== SUCCESS
    ) {
      conversation.done(new Error("The answer is not that to a handshake."));
      socket.end();
      return;
    }
    conversation.expected = LEVIN_HEADER_BYTES + view.getUint32(LENGTH_OFFSET, true);
  }
  if (conversation.expected === 0 || conversation.received < conversation.expected) return;
  conversation.done(undefined);
  socket.end();
}
