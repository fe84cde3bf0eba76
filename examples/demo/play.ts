import { FRAME_BYTES, type RegtestTransaction, regtestTransactions } from "../../mod.ts";
import type { LinkFrame } from "./link-tap.ts";
import type { Narrator } from "./narrator.ts";
import type { Outcome } from "./outcome.ts";
import type { Arrival, Stage } from "./stage.ts";

/** The true schedule: 10 s to 15 s. The machine may be late by this much. */
const INTERVAL_MS = { LEAST: 10_000, GREATEST: 15_000, LATENESS: 1_000 } as const;
/** Longest wait for one frame. */
const FRAME_MS_MAX = 20_000;
/** Frames to wait for after the one that carried the transaction. */
const FRAMES_AFTER = 1;

/**
 * Shows one transaction on its way: a frame of noise, the wallet's submission, the frame that
 * carries it, its arrival, and noise again.
 *
 * @param stage everything that was started
 * @param narrator tells of each step
 * @param startedAt when the demonstration started, in milliseconds on the stage's clock
 * @throws ProcessError `timed-out` where a step does not happen, `aborted`
 */
export async function play(stage: Stage, narrator: Narrator, startedAt: number): Promise<Outcome> {
  const transaction = chooseTransaction();
  const bytes = transaction.blob.length / 2;
  const firstAt = await stage.linkUp();
  narrator.say("link up: handshake done; from now on a frame leaves every 10 to 15 s");
  narrator.countDown("noise", firstAt);
  narrator.frame(0, await nextFrame(stage, 0));

  narrator.say(`a wallet submits a signed transaction of ${bytes.toLocaleString("en")} bytes`);
  const submittedAt = stage.clock.now();
  const answer = await stage.node.submit(transaction.blob);
  narrator.detail(`id ${transaction.id}`);
  narrator.detail(`answer: ${answer.status}. ${answer.anonctl?.reason ?? answer.reason}`);

  const carrier = await carry(stage, narrator);
  const left = stage.tap.frames[carrier]?.at ?? submittedAt;
  const arrival = await stage.arrival(transaction.id);
  const arrivedAt = stage.clock.now();
  narrator.say(arrival.evidence);
  for (let more = 1; more <= FRAMES_AFTER; more++) {
    narrator.countDown("noise", await stage.nextFrameAt());
    narrator.frame(carrier + more, await nextFrame(stage, carrier + more));
  }

  const frames = [...stage.tap.frames];
  const { document } = stage.devnet;
  const since = (at: number): number => Math.round(at - startedAt);
  const outcome: Omit<Outcome, "failures"> = {
    schema: "anonctl.demo.v1",
    network: document.onionNetwork,
    label: document.label,
    transaction: { id: transaction.id, bytes },
    submitted_ms: since(submittedAt),
    answer: { status: answer.status, delivery: answer.anonctl?.delivery ?? "refused" },
    left_ms: since(left),
    arrived_ms: since(arrivedAt),
    peer: { holds: arrival.words, shows_in_public: arrival.shownInPublic },
    frames: frames.map(({ at, bytes }) => ({ at_ms: since(at), bytes })),
    intervals_ms: intervals(frames),
    carrier,
  };
  return { ...outcome, failures: await failuresOf(stage, outcome, arrival) };
}

function chooseTransaction(): RegtestTransaction {
  const [first] = regtestTransactions;
  if (first === undefined) throw new Error("There is no stored transaction.");
  return first;
}

async function nextFrame(stage: Stage, index: number): Promise<LinkFrame> {
  return await stage.tap.frame(index, stage.patience(FRAME_MS_MAX));
}

/** Waits for the frame that carries the transaction; it takes one of the next nine. */
async function carry(stage: Stage, narrator: Narrator): Promise<number> {
  for (let index = 1; ; index++) {
    narrator.countDown("the transaction", await stage.nextFrameAt());
    const frame = await nextFrame(stage, index);
    narrator.frame(index, frame);
    if (frame.held === "transaction") return index;
  }
}

function intervals(frames: readonly LinkFrame[]): number[] {
  return frames.slice(1).map(({ at }, index) => Math.round(at - (frames[index]?.at ?? at)));
}

async function failuresOf(
  stage: Stage,
  outcome: Omit<Outcome, "failures">,
  arrival: Arrival,
): Promise<string[]> {
  const wrongSize = outcome.frames.filter(({ bytes }) => bytes !== FRAME_BYTES);
  const { LEAST, GREATEST, LATENESS } = INTERVAL_MS;
  const wrongWait = outcome.intervals_ms.filter(
    (ms) => ms < LEAST - LATENESS || ms > GREATEST + LATENESS,
  );
  const shown = await stage.node.shownTransactions();
  return [
    ...wrongSize.map(({ bytes }) => `a write of ${bytes} bytes left, not of ${FRAME_BYTES}`),
    ...wrongWait.map((ms) => `two frames lay ${ms} ms apart, not 10 to 15 s`),
    ...(outcome.answer.status === "OK" ? [] : ["the node refused the transaction"]),
    ...(arrival.shownInPublic ? ["the peer shows the transaction in public"] : []),
    ...(shown.length === 0 ? [] : ["the node shows the transaction to whoever asks"]),
  ];
}
