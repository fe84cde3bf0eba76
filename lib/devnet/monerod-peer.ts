import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { encodeMessage } from "../levin/frame.ts";
import { LevinReader } from "../levin/reader.ts";
import {
  COMMAND,
  commandLimits,
  decodeHandshakeResponse,
  encodeHandshakeRequest,
  type HandshakeResponse,
} from "../monero/message.ts";
import { networks } from "../monero/network.ts";
import { type Patience, within } from "../process/deadline.ts";
import { DevnetError } from "./error.ts";

/** Where a regtest chain ends. */
export interface RegtestTip {
  /** How many blocks. */
  readonly height: bigint;
  /** Id of the last block, 64 hex digits. */
  readonly topId: string;
  /** Version of the last block. */
  readonly topVersion: number;
  readonly cumulativeDifficulty: bigint;
}

/**
 * Introduces itself to a monerod as a peer that has a certain chain, and reads its answer. The
 * stream is left open.
 *
 * @param stream connected to monerod's port for peers, of the public or of an anonymity zone
 * @param tip the chain to claim
 * @param patience how long to wait
 * @returns monerod's answer
 * @throws DevnetError or ProcessError `unreachable` when monerod hangs up, `timed-out` or `aborted`; LevinError or
 *   MoneroMessageError for an answer that makes no sense
 */
export async function introduce(
  stream: Duplex,
  tip: RegtestTip,
  patience: Patience,
): Promise<HandshakeResponse> {
  const payload = encodeHandshakeRequest({
    nodeData: {
      networkId: networks.regtest.id,
      myPort: 0,
      peerId: 1n,
      rpcPort: 0,
      rpcCreditsPerHash: 0,
      supportFlags: 0,
    },
    payloadData: {
      currentHeight: tip.height,
      cumulativeDifficulty: tip.cumulativeDifficulty,
      topId: Uint8Array.from(Buffer.from(tip.topId, "hex")),
      topVersion: tip.topVersion,
      pruningSeed: 0,
    },
  });
  const answer = handshakeAnswer(stream);
  stream.write(
    encodeMessage({ kind: "request", command: COMMAND.HANDSHAKE, returnCode: 0, payload }),
  );
  return await within(answer, patience, "monerod's handshake");
}

function handshakeAnswer(stream: Duplex): Promise<HandshakeResponse> {
  const reader = new LevinReader({ limits: commandLimits });
  const { promise, resolve, reject } = Promise.withResolvers<HandshakeResponse>();
  const onData = (bytes: Uint8Array): void => {
    try {
      reader.push(bytes);
      for (let event = reader.next(); event !== undefined; event = reader.next()) {
        if (event.kind !== "message" || event.message.command !== COMMAND.HANDSHAKE) continue;
        stream.off("data", onData);
        resolve(decodeHandshakeResponse(event.message.payload));
        return;
      }
    } catch (error) {
      reject(error);
    }
  };
  stream.on("data", onData);
  stream.once("error", (error) => reject(hungUp(error)));
  stream.once("close", () => reject(hungUp()));
  stream.once("end", () => reject(hungUp()));
  return promise;
}

function hungUp(cause?: unknown): DevnetError {
  return new DevnetError("unreachable", "monerod closed the connection instead of answering.", {
    cause,
  });
}

/**
 * Claims a chain to a monerod on this machine over a connection that is then thrown away.
 *
 * @param p2pPort its port on 127.0.0.1 for peers of the public zone
 * @param tip the chain to claim
 * @param patience how long to wait
 * @throws as `introduce`
 */
export async function claimTip(
  p2pPort: number,
  tip: RegtestTip,
  patience: Patience,
): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port: p2pPort });
  try {
    await introduce(socket, tip, patience);
  } finally {
    socket.destroy();
  }
}
