import type { Zone } from "../address/zone.ts";
import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { type DescriptorSight, judgeRefusal, type Refusal } from "./classify.ts";
import type { Conversation, ConversationStep, Facts, SecuredStream } from "./conversation.ts";
import {
  type Failure,
  failedVerdict,
  type Layer,
  type LayerDeadlines,
  passedVerdict,
  type Verdict,
} from "./layer.ts";
import { notReady, openTooLate, proxySilent, silent, stalled, tooMuch } from "./machine-verdict.ts";

/** How long each phase took, in milliseconds; undefined for what was not reached. */
export interface PhaseTimings {
  /** Connecting to the proxy and being greeted. */
  readonly proxyMs: number | undefined;
  /** From the request to the open stream. */
  readonly openMs: number | undefined;
  /** From the open stream to the first byte, or to the end of a TLS handshake. */
  readonly firstByteMs: number | undefined;
  /** From the open stream until the protocol had said everything. */
  readonly protocolMs: number | undefined;
  /** Everything, with waits and attempts that failed. */
  readonly totalMs: number;
}

/** What one walk through the layers came to. */
export interface Walk {
  readonly verdict: Verdict;
  readonly facts: Facts;
  readonly timings: PhaseTimings;
  /** Streams that were asked for. */
  readonly attempts: number;
}

/** What the driver tells the machine. */
export type ProbeEvent =
  | { readonly kind: "proxy-up"; readonly extendedErrors: boolean | undefined }
  | { readonly kind: "bootstrapped" }
  /** How far tor is, in a sentence. */
  | { readonly kind: "progress"; readonly text: string }
  /** The proxy or what is behind it is not fit to be asked. */
  | { readonly kind: "unfit"; readonly failure: Failure }
  | { readonly kind: "greeted" }
  | { readonly kind: "opened" }
  | {
      readonly kind: "refused";
      readonly refusal: Refusal;
      readonly descriptor: DescriptorSight | undefined;
    }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "ended" }
  | { readonly kind: "secured"; readonly stream: SecuredStream }
  | { readonly kind: "not-secured"; readonly step: ConversationStep };

/** What the machine wants done. */
export type ProbeEffect =
  | { readonly kind: "check-proxy" }
  | { readonly kind: "check-bootstrap" }
  /** Opens a stream on a circuit of its own; `address` counts the peer's addresses. */
  | { readonly kind: "open"; readonly attempt: number; readonly address: number }
  | { readonly kind: "write"; readonly bytes: Uint8Array }
  | { readonly kind: "secure"; readonly serverName: string }
  /** Gives up whatever is under way. */
  | { readonly kind: "close" }
  | { readonly kind: "finish"; readonly walk: Walk };

/** How one walk is made. */
export interface ProbeMachineOptions {
  readonly zone: Zone;
  /** Whether a proxy is between us and the target; without one the walk begins further up. */
  readonly proxied: boolean;
  readonly deadlines: LayerDeadlines;
  /** Streams asked for at the most when the network fails, 1 or more. */
  readonly attemptsMax: number;
  /** Addresses of the peer, 1 or more. */
  readonly addresses: number;
  /**
   * Makes a conversation.
   *
   * @param variant counts from 0
   * @returns undefined when there is no such variant
   */
  readonly converse: (variant: number) => Conversation | undefined;
  readonly random: RandomSource;
}

/** The first wait before another attempt; each is twice as long, and up to half as long again. */
export const BACKOFF_MS = 1_000;
/** The longest wait before another attempt. */
export const BACKOFF_MS_MAX = 30_000;
/** What a peer may send in one conversation: several timed syncs with full peer lists. */
export const CONVERSATION_BYTES_MAX = 1_048_576;

type Stage =
  | "idle"
  | "proxy"
  | "bootstrap"
  | "greeting"
  | "opening"
  | "talking"
  | "waiting"
  | "over";

/**
 * Walks one target through the layers: events and the time go in, what to do comes out. It has
 * every deadline; the driver has none.
 */
export class ProbeMachine {
  readonly #options: ProbeMachineOptions;
  #stage: Stage = "idle";
  #wakeAt = Number.POSITIVE_INFINITY;
  #startedAt = 0;
  #stageAt = 0;
  #openedAt = 0;
  #attempt = 0;
  #faults = 0;
  #address = 0;
  #variant = 0;
  #extendedErrors: boolean | undefined;
  #progress = "";
  #conversation: Conversation | undefined;
  #bytes = 0;
  #heard = false;
  #phases: Record<"proxyMs" | "openMs" | "firstByteMs" | "protocolMs", number | undefined> = {
    proxyMs: undefined,
    openMs: undefined,
    firstByteMs: undefined,
    protocolMs: undefined,
  };

  /** @param options how to walk */
  constructor(options: ProbeMachineOptions) {
    this.#options = options;
  }

  /** When `wake` wants to be called, in milliseconds; infinite when never. */
  get wakeAt(): number {
    return this.#wakeAt;
  }

  /** Begins. */
  start(now: number): ProbeEffect[] {
    this.#startedAt = now;
    if (!this.#options.proxied) return this.#open(now);
    this.#enter("proxy", now, this.#options.deadlines.proxyMs);
    return [{ kind: "check-proxy" }];
  }

  /** Takes an event; those that no longer matter are passed over. */
  handle(event: ProbeEvent, now: number): ProbeEffect[] {
    switch (this.#stage) {
      case "proxy":
        if (event.kind === "unfit") return this.#finish(failedVerdict(event.failure), now);
        if (event.kind !== "proxy-up") return [];
        this.#extendedErrors = event.extendedErrors;
        this.#enter("bootstrap", now, this.#options.deadlines.bootstrapMs);
        return [{ kind: "check-bootstrap" }];
      case "bootstrap":
        if (event.kind === "unfit") return this.#finish(failedVerdict(event.failure), now);
        if (event.kind === "progress") this.#progress = event.text;
        return event.kind === "bootstrapped" ? this.#open(now) : [];
      case "greeting":
      case "opening":
        return this.#whileOpening(event, now);
      case "talking":
        return this.#whileTalking(event, now);
      default:
        return [];
    }
  }

  /** Tells that `wakeAt` has come. */
  wake(now: number): ProbeEffect[] {
    if (now < this.#wakeAt) return [];
    switch (this.#stage) {
      case "waiting":
        return this.#open(now);
      case "talking":
        return this.#talkedTooLong(now);
      case "over":
      case "idle":
        return [];
      default:
        return this.#tooLate(now);
    }
  }

  #enter(stage: Stage, now: number, deadlineMs: number): void {
    this.#stage = stage;
    this.#stageAt = now;
    this.#wakeAt = now + deadlineMs;
  }

  #open(now: number): ProbeEffect[] {
    const { proxied, deadlines } = this.#options;
    this.#attempt++;
    this.#enter(
      proxied ? "greeting" : "opening",
      now,
      proxied ? deadlines.proxyMs : deadlines.openMs,
    );
    return [{ kind: "open", attempt: this.#attempt, address: this.#address }];
  }

  #whileOpening(event: ProbeEvent, now: number): ProbeEffect[] {
    switch (event.kind) {
      case "greeted":
        this.#phases.proxyMs = now - this.#stageAt;
        this.#enter("opening", now, this.#options.deadlines.openMs);
        return [];
      case "opened":
        this.#phases.openMs = now - this.#stageAt;
        return this.#talk(now);
      case "refused": {
        const { zone } = this.#options;
        const context = {
          zone,
          extendedErrors: this.#extendedErrors,
          descriptor: event.descriptor,
        };
        return this.#failed(judgeRefusal(event.refusal, context), now);
      }
      default:
        return [];
    }
  }

  #talk(now: number): ProbeEffect[] {
    const conversation = this.#options.converse(this.#variant);
    if (conversation === undefined) throw new RangeError("A conversation has no first variant.");
    this.#conversation = conversation;
    this.#bytes = 0;
    this.#heard = false;
    this.#openedAt = now;
    this.#enter("talking", now, this.#options.deadlines.answerMs);
    return this.#take(conversation.start(now), now);
  }

  #whileTalking(event: ProbeEvent, now: number): ProbeEffect[] {
    const conversation = this.#conversation;
    if (conversation === undefined) return [];
    switch (event.kind) {
      case "bytes":
        this.#hear(now);
        this.#bytes += event.bytes.length;
        if (this.#bytes > CONVERSATION_BYTES_MAX) return this.#failed(tooMuch(this.#bytes), now);
        return this.#take(conversation.receive(event.bytes, now), now);
      case "ended":
        return this.#take(conversation.ended(now), now);
      case "secured":
        this.#hear(now);
        return this.#take(conversation.secured?.(event.stream, now) ?? { kind: "more" }, now);
      case "not-secured":
        return this.#take(event.step, now);
      default:
        return [];
    }
  }

  #hear(now: number): void {
    if (this.#heard) return;
    this.#heard = true;
    this.#phases.firstByteMs = now - this.#openedAt;
    this.#wakeAt = now + this.#options.deadlines.protocolMs;
  }

  #take(step: ConversationStep, now: number): ProbeEffect[] {
    switch (step.kind) {
      case "send":
        return [{ kind: "write", bytes: step.bytes }];
      case "more":
        return [];
      case "secure": {
        const secure: ProbeEffect = { kind: "secure", serverName: step.serverName };
        return step.bytes === undefined ? [secure] : [{ kind: "write", bytes: step.bytes }, secure];
      }
      case "done": {
        this.#phases.protocolMs = now - this.#openedAt;
        const layer: Layer = this.#heard ? "protocol" : "rendezvous";
        const end = this.#finish(passedVerdict(layer, step.evidence), now, step.facts);
        return step.farewell === undefined
          ? end
          : [{ kind: "write", bytes: step.farewell }, ...end];
      }
      case "failed": {
        const next = this.#variant + 1;
        if (step.variant === true && this.#options.converse(next) !== undefined) {
          this.#variant = next;
          return [{ kind: "close" }, ...this.#open(now)];
        }
        const { where = "peer", evidence, ...fault } = step.fault;
        return this.#failed(failedVerdict({ ...fault, where, evidence: [evidence] }), now);
      }
    }
  }

  #talkedTooLong(now: number): ProbeEffect[] {
    const seconds = (now - this.#openedAt) / 1_000;
    const { zone } = this.#options;
    return this.#failed(this.#heard ? stalled(this.#bytes, seconds) : silent(seconds, zone), now);
  }

  #tooLate(now: number): ProbeEffect[] {
    const seconds = Math.round((now - this.#stageAt) / 100) / 10;
    switch (this.#stage) {
      case "proxy":
      case "greeting":
        return this.#finish(proxySilent(seconds), now);
      case "bootstrap":
        return this.#finish(notReady(seconds, this.#progress), now);
      default:
        return this.#failed(openTooLate(seconds, this.#options.zone), now);
    }
  }

  /** A fault of the network may pass; another address may do better; all else stands. */
  #failed(verdict: Verdict, now: number): ProbeEffect[] {
    const { attemptsMax, addresses, random } = this.#options;
    const opening = this.#stage === "opening" || this.#stage === "greeting";
    if (opening && this.#address + 1 < addresses && verdict.layer !== "proxy") {
      this.#address++;
      return [{ kind: "close" }, ...this.#open(now)];
    }
    this.#faults++;
    if (verdict.where !== "network" || this.#faults >= attemptsMax)
      return this.#finish(verdict, now);
    const backoff = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (this.#faults - 1));
    this.#address = 0;
    this.#enter("waiting", now, backoff * uniform(random, 1, 1.5));
    return [{ kind: "close" }];
  }

  #finish(verdict: Verdict, now: number, facts: Facts = {}): ProbeEffect[] {
    this.#stage = "over";
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const timings: PhaseTimings = { ...this.#phases, totalMs: now - this.#startedAt };
    const walk: Walk = { verdict, facts, timings, attempts: this.#attempt };
    return [{ kind: "close" }, { kind: "finish", walk }];
  }
}
