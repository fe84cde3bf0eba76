import type { EmbargoSchedule } from "../../lib/dandelion/embargo.ts";
import type { DandelionEffect, DandelionEvent, PublicCause } from "../../lib/dandelion/event.ts";
import { DandelionRouter } from "../../lib/dandelion/router.ts";
import { integerBelow, sample, uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";

/** What a network is made of. */
export interface NetworkOptions {
  readonly seed: number;
  readonly nodes: number;
  /** Links that every node opens. */
  readonly outbound: number;
  /** Which share of nodes swallows stems. They fluff like all others. */
  readonly blackHoles?: number;
  readonly embargo?: EmbargoSchedule;
  /** Sources fluff at once, as before there was Dandelion. */
  readonly diffusion?: boolean;
}

/** What became of one transaction. */
export interface Course {
  readonly source: number;
  readonly from: number;
  /** The node that was the first to make it public, why and when. */
  first?: { readonly node: number; readonly cause: PublicCause; readonly at: number };
  /** When it was public at each node. */
  readonly publicAt: Map<number, number>;
  /** Which node each node first had it from, as a stem or a fluff. */
  readonly heardFrom: Map<number, number>;
}

interface Node {
  readonly router: DandelionRouter;
  readonly swallows: boolean;
  /** The other end and the delay, by link. */
  readonly ends: Map<number, { readonly node: number; readonly delayMs: number }>;
  /** When its timer is due. */
  armedAt: number;
}

/** Delay of a link, both ways: from next door to the other side of the world. */
const DELAY_MS = { low: 20, high: 200 };

/** Nodes with routers, links with delays, and a clock that only moves when told. */
export class DandelionNetwork {
  readonly clock = new VirtualClock();
  readonly courses = new Map<string, Course>();
  readonly #nodes: Node[] = [];
  readonly #random: SeededRandom;
  readonly #diffusion: boolean;

  constructor(options: NetworkOptions) {
    this.#random = new SeededRandom(options.seed);
    this.#diffusion = options.diffusion ?? false;
    for (let index = 0; index < options.nodes; index++) {
      this.#nodes.push({
        router: new DandelionRouter(
          {
            random: new SeededRandom(this.#random.uint32()),
            ...(options.embargo === undefined ? {} : { embargo: options.embargo }),
          },
          0,
        ),
        swallows: unit(this.#random) < (options.blackHoles ?? 0),
        ends: new Map(),
        armedAt: Number.POSITIVE_INFINITY,
      });
    }
    const all = this.#nodes.map((_, index) => index);
    let link = 0;
    for (const index of all) {
      const others = all.filter((one) => one !== index);
      for (const other of sample(this.#random, others, options.outbound)) {
        this.#connect(++link, index, other);
      }
    }
  }

  /** How many nodes there are. */
  get size(): number {
    return this.#nodes.length;
  }

  /** A wallet at a node that swallows nothing submits a transaction. */
  submit(id: string): void {
    let source = integerBelow(this.#random, this.size);
    while (this.#nodes[source]?.swallows === true) source = integerBelow(this.#random, this.size);
    this.courses.set(id, {
      source,
      from: this.clock.now(),
      publicAt: new Map(),
      heardFrom: new Map(),
    });
    this.#handle(source, this.#diffusion ? { kind: "fluff", id } : { kind: "local", id });
  }

  #connect(link: number, from: number, to: number): void {
    const delayMs = uniform(this.#random, DELAY_MS.low, DELAY_MS.high);
    this.#nodes[from]?.ends.set(link, { node: to, delayMs });
    this.#nodes[to]?.ends.set(link, { node: from, delayMs });
    this.#handle(from, { kind: "joined", link, direction: "out", stems: true });
    this.#handle(to, { kind: "joined", link, direction: "in", stems: false });
  }

  #handle(index: number, event: DandelionEvent): void {
    const node = this.#nodes[index];
    if (node === undefined || (event.kind === "stem" && node.swallows)) return;
    this.#carryOut(index, node, node.router.handle(event, this.clock.now()));
  }

  #carryOut(index: number, node: Node, effects: readonly DandelionEffect[]): void {
    const now = this.clock.now();
    for (const effect of effects) {
      if (effect.kind === "public") {
        const course = this.courses.get(effect.id);
        course?.publicAt.set(index, now);
        if (course !== undefined && course.first === undefined) {
          course.first = { node: index, cause: effect.cause, at: now };
        }
      } else if (effect.kind === "stem") {
        this.#send(index, effect.link, "stem", [effect.id]);
      } else if (effect.kind === "fluff") {
        this.#send(index, effect.link, "fluff", effect.ids);
      }
    }
    this.#arm(index, node);
  }

  /** A timer that is too early is left alone: it sets the next. */
  #arm(index: number, node: Node): void {
    const at = node.router.wakeAt;
    if (at >= node.armedAt) return;
    node.armedAt = at;
    this.clock.setTimer(at, () => {
      if (node.armedAt !== at) return;
      node.armedAt = Number.POSITIVE_INFINITY;
      this.#carryOut(index, node, node.router.wake(this.clock.now()));
    });
  }

  #send(from: number, link: number, kind: "stem" | "fluff", ids: readonly string[]): void {
    const end = this.#nodes[from]?.ends.get(link);
    if (end === undefined) return;
    this.clock.setTimer(this.clock.now() + end.delayMs, () => {
      for (const id of ids) {
        const heard = this.courses.get(id)?.heardFrom;
        if (heard?.has(end.node) === false) heard.set(end.node, from);
        this.#handle(end.node, { kind, id, link });
      }
    });
  }
}
