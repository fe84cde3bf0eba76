import { existsSync } from "node:fs";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { findProgram } from "../../lib/process/program.ts";
import { LevinPeer } from "../levin-peer.ts";
import { memoryBytes } from "../process-use.ts";
import { startNode } from "../programs.ts";
import { MissingProgram, type Row } from "../row.ts";
import { ratios, spreadOf } from "../spread.ts";

const LINKS = 2_000;
/** Opened before the first reading, so that what every first link costs is not counted. */
const FIRST_LINKS = 50;
/** What an anonymity zone's budget for handshakes gives back in a second, and a little less. */
const LINKS_A_SECOND = 24;
const SETTLE_MS = 5_000;
const SAMPLES = 5;
const SAMPLE_MS = 1_000;
const MEGABYTES_MAX = 300;
/**
 * Every link comes from an address of its own, 127.0.1.1 and on: monerod halves its patience with
 * each link from the same one, down to 28 s.
 */
const ADDRESSES_A_NET = 250;
/** Nobody dials the name, and it ends nowhere: only its form counts. */
const ONION = "xwjtp3mj427zdp4tljiiivg2l5ijfvmt5lcsfaygtpp6cw254kykvpyd.onion:18083";

/** What a link takes of a node's memory when there are 2,000, against monerod's. */
export const linkMemory: Row = {
  name: "link-memory",
  async run(context) {
    if (!existsSync("/proc/self/status")) {
      throw new MissingProgram("memory is read from /proc, which this system lacks");
    }
    if ((await findProgram("monerod")) === undefined) {
      throw new MissingProgram("monerod is not on this machine; apt-get install monero");
    }
    const { scratch, progress } = context;
    progress("starting a node and a monerod");
    const ports = await pickPorts(1);
    const [inboundPort = 0] = ports;
    const node = await startNode(scratch, "link-node", [
      ...["--anonymous-inbound", `${ONION},127.0.0.1:${inboundPort},${LINKS + FIRST_LINKS}`],
    ]);
    const monerod = await Monerod.start({ scratch, name: "links" });
    const ours = new LinkFarm("The node", node.child.pid, inboundPort);
    const theirs = new LinkFarm("monerod", monerod.pid, monerod.p2pPort);
    try {
      for (const farm of [ours, theirs]) await farm.begin();
      progress(`opening ${LINKS} links at each, ${LINKS_A_SECOND} a second`);
      for (let opened = 0; opened < LINKS; opened += LINKS_A_SECOND) {
        const count = Math.min(LINKS_A_SECOND, LINKS - opened);
        const pause = Bun.sleep(1_000);
        await ours.open(count);
        await theirs.open(count);
        await pause;
      }
      await Bun.sleep(SETTLE_MS);
      return [await compare(ours, theirs)];
    } finally {
      for (const farm of [ours, theirs]) farm.close();
      await Promise.all([monerod.stop(), node.child.destroy()]);
      returnPorts(ports);
    }
  },
};

async function compare(ours: LinkFarm, theirs: LinkFarm) {
  const values: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
  for (let sample = 0; sample < SAMPLES; sample++) {
    await Bun.sleep(SAMPLE_MS);
    values.ours.push(ours.kilobytesALink());
    values.theirs.push(theirs.kilobytesALink());
  }
  const whole = (ours.residentBytes() / 1e6).toFixed(0);
  const peak = (ours.peakBytes() / 1e6).toFixed(0);
  const isWithin = ours.peakBytes() / 1e6 <= MEGABYTES_MAX ? "within" : "above";
  return {
    name: "two-thousand",
    title: "Memory of a link, 2,000 at once",
    unit: "kB",
    ours: spreadOf(values.ours),
    counterpart: { name: "monerod, public zone", value: spreadOf(values.theirs) },
    comparison: { kind: "ratio", value: ratios(values.ours, values.theirs) },
    bounds: [],
    note: `resident memory after ${LINKS} inbound links with their handshake, less that before them, for each link; ours on the port of an onion service, monerod's in its public zone, since its tor zone closes such guests within seconds; our whole node then has ${whole} MB, ${peak} MB at its highest, ${isWithin} the ${MEGABYTES_MAX} MB that it may take`,
  } as const;
}

/** Many links to one process. */
class LinkFarm {
  readonly #name: string;
  readonly #pid: number;
  readonly #port: number;
  readonly #links: LevinPeer[] = [];
  #closed = 0;
  #dialed = 0;
  #beforeBytes = 0;

  constructor(name: string, pid: number, port: number) {
    this.#name = name;
    this.#pid = pid;
    this.#port = port;
  }

  /** Opens the first links, and reads how much memory there is then. */
  async begin(): Promise<void> {
    await this.open(FIRST_LINKS);
    await Bun.sleep(SETTLE_MS);
    this.#beforeBytes = this.residentBytes();
  }

  async open(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const [net, host] = [
        Math.floor(this.#dialed / ADDRESSES_A_NET),
        this.#dialed % ADDRESSES_A_NET,
      ];
      this.#dialed++;
      const address = `127.0.${1 + net}.${1 + host}`;
      const link = await LevinPeer.dial(this.#port, address);
      link.socket.once("close", () => this.#closed++);
      this.#links.push(link);
    }
  }

  /** @throws Error when a link has been closed meanwhile */
  kilobytesALink(): number {
    if (this.#closed > 0) throw new Error(`${this.#name} closed ${this.#closed} links.`);
    return (this.residentBytes() - this.#beforeBytes) / LINKS / 1e3;
  }

  residentBytes(): number {
    return memoryBytes(this.#pid, "VmRSS");
  }

  peakBytes(): number {
    return memoryBytes(this.#pid, "VmHWM");
  }

  close(): void {
    for (const { socket } of this.#links) socket.destroy();
  }
}
