/* One segment of the study, run in a network namespace of its own by main.ts. */
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { pause } from "../../lib/process/deadline.ts";
import { requirePrograms, runProgram } from "../../lib/process/program.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { exponential } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { guardPortsOf } from "./guard-ports.ts";
import { Observer } from "./observer.ts";
import {
  type SegmentPlan,
  type SegmentRecord,
  type SubjectPlan,
  segmentPlan,
  subjectsOf,
} from "./plan.ts";
import { Receiver } from "./receiver.ts";
import { type Subject, startSubject } from "./subject.ts";

/** Services that subjects dial: one more than noise has channels, so that channels can move. */
const ONIONS = 3;
const ONION_PORT = 18_083;
const READY_MS_MAX = 180_000;
/** Starts and reports take the processor; more at once would not be done sooner. */
const LANES = 4;
/** Frames are seen for longer than they are judged, so that the last ones don't stand out. */
const REST_S = 60;

interface Studied {
  readonly plan: SubjectPlan;
  readonly guardPorts: readonly number[];
  readonly observer: Observer;
  readonly subject: Subject;
  readonly submissions: { atMs: number; taken: boolean }[];
}

/** A subject and the tor that is its own. */
interface Place {
  readonly plan: SubjectPlan;
  readonly tor: PrivateTorClient;
}

function tell(text: string): void {
  process.stderr.write(`study: ${text}\n`);
}

/**
 * Runs a segment and leaves its files.
 *
 * @param plan what to run
 */
async function runSegment(plan: SegmentPlan): Promise<void> {
  const subjects = subjectsOf(plan);
  const scratch = await Scratch.create();
  process.once("SIGTERM", () => void scratch.close().finally(() => process.exit(143)));
  const receiver = await Receiver.listen();
  const target = { host: "127.0.0.1", port: receiver.port };
  const services = Array.from({ length: ONIONS }, (_, index) => ({
    name: `service-${index}`,
    onionServices: [{ virtualPort: ONION_PORT, target }],
  }));
  try {
    const network = await PrivateTorNetwork.start({
      scratch,
      clients: [...services, ...subjects.map(({ name }) => ({ name }))],
      onProgress: tell,
    });
    const onions = network.clients.slice(0, ONIONS).map(({ onions: [onion] }) => onion ?? "");
    const places = subjects.flatMap((subject, index): Place[] => {
      const tor = network.clients[ONIONS + index];
      return tor === undefined ? [] : [{ plan: subject, tor }];
    });
    await allReachable(network, onions, places);
    const studied = await startAll(plan, scratch, places, onions);
    const fromMs = realClock.unixMs() + plan.warmUpS * 1_000;
    await submitAll(plan, studied);
    const toMs = realClock.unixMs();
    await pause(Math.min(REST_S, plan.measuredS) * 1_000, {});
    tell(
      `${receiver.transactions} messages with transactions came over ${receiver.handshakes} links`,
    );
    await finishAll(studied);
    await network.stop();
    await leaveRecord(plan, studied, { fromMs, toMs, received: receiver.transactions });
  } finally {
    await receiver.close();
    await scratch.close();
  }
}

/** Each tor has dialed its guards then. */
async function allReachable(
  network: PrivateTorNetwork,
  onions: readonly string[],
  places: readonly Place[],
): Promise<void> {
  tell("waiting for the onion services");
  const [first] = onions;
  if (first === undefined) return;
  await inLanes(places, async ({ tor }) => {
    await network.reachable(first, ONION_PORT, { through: tor, deadlineMs: READY_MS_MAX });
  });
}

async function startAll(
  plan: SegmentPlan,
  scratch: Scratch,
  places: readonly Place[],
  onions: readonly string[],
): Promise<Studied[]> {
  tell(`starting ${places.length} subjects`);
  const studied: Studied[] = [];
  const peers = onions.map((onion) => `${onion}:${ONION_PORT}`);
  await inLanes(places, async ({ plan: subject, tor }) => {
    const { binary, folder } = plan;
    const { name } = subject;
    const guardPorts = guardPortsOf(tor.pid, [tor.socksPort, tor.controlPort]);
    const own = { socksPort: tor.socksPort, guardPorts };
    const observer = await Observer.start({ scratch, binary, name, folder, ...own });
    const { socksPort } = observer;
    studied.push({
      ...{ plan: subject, guardPorts, observer, submissions: [] },
      subject: await startSubject({ plan, subject, scratch, socksPort, onions: peers }),
    });
  });
  tell("waiting for their peers");
  const patience = { deadlineMs: READY_MS_MAX };
  await Promise.all(studied.map(({ subject }) => subject.ready(patience)));
  return studied;
}

async function submitAll(plan: SegmentPlan, studied: readonly Studied[]): Promise<void> {
  tell(`transactions for ${plan.measuredS} s`);
  const end = realClock.now() + plan.measuredS * 1_000;
  await Promise.all(
    studied.map(async ({ plan: { number, kind, name }, subject, submissions }) => {
      const random = new SeededRandom(plan.segment * 1_000 + number);
      const isRare = kind === "after-default";
      const mean = 1_000 * (isRare ? plan.rareTransactionEveryS : plan.transactionEveryS);
      for (let nth = 0; ; nth++) {
        const wait = exponential(random, mean);
        const left = end - realClock.now();
        await pause(Math.max(0, Math.min(wait, left)), {});
        if (wait > left) return;
        const atMs = realClock.unixMs();
        const taken = await subject.submit(nth).catch((error: unknown) => {
          tell(`${name} took no transaction: ${String(error)}`);
          return false;
        });
        submissions.push({ atMs, taken });
      }
    }),
  );
}

async function finishAll(studied: readonly Studied[]): Promise<void> {
  tell("ending the captures");
  await inLanes(studied, ({ observer }) => observer.finish());
}

async function inLanes<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const queue = [...all];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function leaveRecord(
  plan: SegmentPlan,
  studied: readonly Studied[],
  measured: Pick<SegmentRecord, "fromMs" | "toMs" | "received">,
): Promise<void> {
  const [monerod, tor] = await requirePrograms(["monerod", "tor"]);
  const record: SegmentRecord = {
    schema: "anonctl.study-segment.v1",
    plan,
    programs: {
      after: digestOf(plan.binary),
      ...(plan.before === undefined ? {} : { before: digestOf(plan.before) }),
    },
    monerod: await versionOf(monerod),
    tor: await versionOf(tor),
    subjects: studied.map(({ plan: { name, kind }, guardPorts, submissions }) => ({
      ...{ name, kind, guardPorts: [...guardPorts], submissions },
    })),
    ...measured,
  };
  // Only a segment that is whole has this file.
  const file = join(plan.folder, "segment.json");
  writeFileSync(`${file}.part`, JSON.stringify(record));
  renameSync(`${file}.part`, file);
}

async function versionOf(program: string): Promise<string> {
  const [line = ""] = (await runProgram(program, ["--version"])).split("\n");
  return line;
}

function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

const [file = ""] = process.argv.slice(2);
await runSegment(segmentPlan.parse(JSON.parse(readFileSync(file, "utf8"))));
