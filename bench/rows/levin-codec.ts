import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import {
  commandLimits,
  decodeHandshakeRequest,
  encodeHandshakeRequest,
  type HandshakeRequest,
} from "../../lib/monero/message.ts";
import type { Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const ROUNDS = 21;
/** The compiler takes a few hundred thousand messages until it has done its best. */
const WARM_UPS = 6;
const BATCH = 60_000;
const MESSAGES_PER_SECOND_MIN = 300_000;
const VECTOR = "../../test/vectors/monero/handshake_req_tor.bin";

/**
 * A handshake request as monerod sends it, read from a stream and written again, against
 * JSON.parse and JSON.stringify of the same fields: native code of the same runtime.
 */
export const levinCodec: Row = {
  name: "levin-codec",
  async run(context) {
    context.progress("handshake requests decoded and encoded");
    const wire = new Uint8Array(readFileSync(join(import.meta.dir, VECTOR)));
    const reader = new LevinReader({ limits: commandLimits });
    const json = JSON.stringify(plainObject(readAndWrite(reader, wire).request));
    const contestants = {
      ours: () => perSecond(() => readAndWrite(reader, wire).bytes.length, wire.length),
      json: () => perSecond(() => JSON.stringify(JSON.parse(json)).length, json.length),
    };
    const measured = await inTurns(ROUNDS, contestants, WARM_UPS);
    const ours = spreadOf(measured.ours);
    const megabytes = ((ours.median * wire.length) / 1e6).toFixed(0);
    return [
      {
        name: "handshake-request",
        title: "Handshake request decoded and encoded",
        unit: "msg/s",
        ours,
        counterpart: { name: "JSON.parse + stringify", value: spreadOf(measured.json) },
        comparison: { kind: "ratio", value: ratios(measured.ours, measured.json) },
        bounds: [{ word: "goal", of: "ours", kind: "at-least", value: MESSAGES_PER_SECOND_MIN }],
        note: `messages a second of CPU time; ${wire.length} bytes a message from the wire to typed fields and back, ${megabytes} MB/s each way; the JSON has ${json.length} bytes, bytes in hex and 64-bit numbers as numbers, without framing or checks`,
      },
    ];
  },
};

function readAndWrite(
  reader: LevinReader,
  wire: Uint8Array,
): { request: HandshakeRequest; bytes: Uint8Array } {
  reader.push(wire);
  const event = reader.next();
  if (event?.kind !== "message") throw new Error("The vector holds no message.");
  reader.next();
  const { message } = event;
  const request = decodeHandshakeRequest(message.payload);
  return {
    request,
    bytes: encodeMessage({ ...message, payload: encodeHandshakeRequest(request) }),
  };
}

/** CPU time of all threads, the collector's too, so that other programs' share does not count. */
function perSecond(turn: () => number, expected: number): number {
  const before = process.cpuUsage();
  for (let i = 0; i < BATCH; i++) {
    if (turn() !== expected) throw new Error("A message did not come back as it was.");
  }
  const { user, system } = process.cpuUsage(before);
  return (BATCH * 1e6) / (user + system);
}

function plainObject({ nodeData, payloadData }: HandshakeRequest): object {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return {
    node_data: {
      my_port: nodeData.myPort,
      network_id: hex(nodeData.networkId),
      peer_id: Number(nodeData.peerId),
    },
    payload_data: {
      cumulative_difficulty: Number(payloadData.cumulativeDifficulty),
      cumulative_difficulty_top64: 0,
      current_height: Number(payloadData.currentHeight),
      top_id: hex(payloadData.topId),
      top_version: payloadData.topVersion,
    },
  };
}
