import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { encodeMessage, noiseFrame } from "../../lib/levin/frame.ts";
import { encodeHeader, FLAG } from "../../lib/levin/header.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import { uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { say, tupleOf } from "../relay/scripted-peer.ts";
import { doubleSpendOf } from "../relay/transactions.ts";

// Keeps many connections of the worst kinds to a port of this machine, until its standard input
// ends. Arguments: the port and how many. Prints how many were opened and closed, once a second.

const [port = 0, wanted = 0] = process.argv.slice(2).map(Number);
const random = new SeededRandom(2_026);

/** How often connections are opened anew, and how many at once: some hundred a second. */
const PACE_MS = 20;
const OPENED_AT_ONCE = 10;
/** Transactions that it sends forgeries of: the pool keeps the first that spends something. */
const FORGED = 8;
/** What is written at once of what never ends. */
const FLOOD_BYTES = 65_536;

const handshake = encodeMessage(say.handshake(tupleOf(7, 10)));
const timers = new Map<Socket, ReturnType<typeof setInterval>>();
const counts = { opened: 0, closed: 0, answered: 0 };

/** Writes the same again and again, as fast as the other side reads. */
function flood(socket: Socket, bytes: Uint8Array): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on("drain", more);
  more();
}

function repeated(bytes: Uint8Array): Uint8Array {
  return Buffer.concat(Array.from({ length: Math.ceil(FLOOD_BYTES / bytes.length) }, () => bytes));
}

function header(command: number, length: number, flags: number): Uint8Array {
  return encodeHeader({ length, expectResponse: false, command, returnCode: 0, flags });
}

const timedSyncs = repeated(encodeMessage(say.timedSync(tupleOf(7, 11))));
const questions = repeated(encodeMessage(say.request(4_242, new Uint8Array())));
const emptyFrames = repeated(header(0, 0, FLAG.BEGIN | FLAG.END));
const stems = Buffer.concat(
  Array.from({ length: FORGED }, (_, index) =>
    encodeMessage(say.transactions(doubleSpendOf(index))),
  ),
);
const half = encodeMessage(say.request(COMMAND.HANDSHAKE, new Uint8Array(16_000))).subarray(0, -9);

/** What a connection does once it is open. */
type Behaviour = (socket: Socket) => void;

/** Those that hold their place as long as they may. */
const patient: readonly Behaviour[] = [
  function silent() {},
  function trickles(socket) {
    let at = 0;
    const timer = setInterval(() => socket.write(handshake.subarray(at, ++at)), 1_000);
    timers.set(socket, timer);
  },
  function halfOfAHandshake(socket) {
    socket.write(half);
  },
  function shakesHandsAndFallsSilent(socket) {
    socket.write(handshake);
  },
];

const floods: readonly Behaviour[] = [
  function garbage(socket) {
    flood(socket, random.bytes(FLOOD_BYTES));
  },
  function asksForSyncs(socket) {
    socket.write(handshake);
    flood(socket, timedSyncs);
  },
  function asksNonsenseAndReadsNothing(socket) {
    socket.pause();
    socket.write(handshake);
    flood(socket, questions);
  },
  function announcesMuch(socket) {
    socket.write(header(COMMAND.HANDSHAKE, 100_000_000, FLAG.REQUEST));
  },
  function sendsAPartOfMuch(socket) {
    socket.write(handshake);
    socket.write(header(COMMAND.NEW_TRANSACTIONS, 2_000_000, FLAG.REQUEST));
    socket.write(new Uint8Array(1_900_000));
  },
  function neverEndsItsFragments(socket) {
    socket.write(handshake);
    socket.write(header(0, 1_000_000, FLAG.BEGIN));
    socket.write(encodeMessage(say.transactions(new Uint8Array(1_900_000))).subarray(0, 1_000_000));
  },
  function floodsStems(socket) {
    socket.write(handshake);
    flood(socket, stems);
  },
  function floodsFrames(socket) {
    socket.write(handshake);
    flood(socket, emptyFrames);
  },
  function floodsNoise(socket) {
    socket.write(handshake);
    flood(socket, repeated(noiseFrame()));
  },
  function floodsBeforeItsHandshake(socket) {
    flood(socket, emptyFrames);
  },
  function comesAndGoes(socket) {
    timers.set(
      socket,
      setTimeout(() => socket.destroy(), uniform(random, 0, 300)),
    );
  },
];

const kinds: readonly Behaviour[] = [...patient, ...patient, ...patient, ...floods];

let open = 0;
let mostOpen = 0;

function openOne(): void {
  const behave = kinds[counts.opened++ % kinds.length];
  const socket = connect({ host: "127.0.0.1", port });
  mostOpen = Math.max(mostOpen, ++open);
  socket.setNoDelay(true);
  socket.on("connect", () => behave?.(socket));
  socket.on("error", () => undefined);
  socket.once("data", () => counts.answered++);
  socket.resume();
  socket.on("end", () => socket.destroy());
  socket.on("close", () => {
    open--;
    counts.closed++;
    clearInterval(timers.get(socket));
    timers.delete(socket);
  });
}

setInterval(() => {
  for (let count = 0; count < OPENED_AT_ONCE && open < wanted; count++) openOne();
}, PACE_MS);
setInterval(
  () => process.stdout.write(`${JSON.stringify({ ...counts, open, mostOpen })}\n`),
  1_000,
);
createInterface({ input: process.stdin }).on("close", () => process.exit(0));
