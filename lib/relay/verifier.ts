import { z } from "zod";
import { formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { Notice } from "./event.ts";
import type { DaemonLogin } from "./gateway-digest.ts";
import { GatewayError } from "./gateway-error.ts";
import { type DaemonAnswer, DaemonLane, type LaneLimits } from "./gateway-lane.ts";
import { DaemonOpener } from "./gateway-open.ts";
import type { DaemonPlace, DialDaemon } from "./gateway-place.ts";
import { QUESTIONS_MAX, type Verdict } from "./verification-gate.ts";

/** What a verifier needs. */
export interface VerifierOptions {
  readonly place: DaemonPlace;
  readonly dial: DialDaemon;
  readonly login: DaemonLogin | undefined;
  readonly random: RandomSource;
  readonly clock: Clock;
  /**
   * Takes what is worth a line in the log.
   * @default nobody is told
   */
  readonly notice?: (notice: Notice) => void;
}

/** How the verifier does, for `/status`. */
export interface VerifierStatus {
  /** `HOST:PORT` */
  readonly daemon: string;
  /** Null while autodetection has found nothing out. */
  readonly tls: boolean | null;
  readonly good: number;
  readonly refused: number;
  readonly bad: number;
  /** Questions that got no verdict. */
  readonly unanswered: number;
  /** Why the last question got none; null after one that did. */
  readonly trouble: string | null;
}

/** From a question to the end of its answer. monerod takes a tenth of a second; Tor some. */
export const QUESTION_MS_MAX = 30_000;
/** Between two lines in the log on a daemon that gives no verdict: peers choose when it is asked. */
export const TROUBLE_TOLD_MS = 600_000;
/** monerod's answer has 500 bytes. */
export const ANSWER_BYTES_MAX = 16_384;

const PATH = "/send_raw_transaction";
const limits: LaneLimits = {
  answerMs: QUESTION_MS_MAX,
  silenceMs: QUESTION_MS_MAX,
  bodyMs: QUESTION_MS_MAX,
  totalMs: QUESTION_MS_MAX,
  bodyBytes: ANSWER_BYTES_MAX,
};

/** @see monero `src/rpc/core_rpc_server_commands_defs.h`, `COMMAND_RPC_SEND_RAW_TX` */
const answerForm = z.object({
  status: z.string(),
  double_spend: z.boolean().default(false),
  fee_too_low: z.boolean().default(false),
  nonzero_unlock_time: z.boolean().default(false),
  sanity_check_failed: z.boolean().default(false),
  tx_extra_too_big: z.boolean().default(false),
});

/**
 * Asks a trusted daemon what it thinks of peers' transactions. A few questions at once, each on a
 * stream of its own that is kept for the zone's next: one that found a stream open because of another
 * zone would have its answer sooner, and a guest of both would see that they are one node's.
 *
 * The daemon is asked to take the transaction without relaying it: it keeps it in its own pool, and
 * passes it on once it hears of it from its peers.
 */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #opener: DaemonOpener;
  /** By the zone whose questions they are for. */
  readonly #idle = new Map<Zone, DaemonLane[]>();
  readonly #busy = new Set<DaemonLane>();
  #labels = 0;
  #closed = false;
  readonly #verdicts: Record<Verdict, number> = { good: 0, refused: 0, bad: 0 };
  #unanswered = 0;
  #trouble: string | null = null;
  /** Whether the log says that it gives no verdict, and since when it may say so again. */
  #isTold = false;
  #tellAt = Number.NEGATIVE_INFINITY;

  /** @param options the daemon, the way to it, the login */
  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#opener = new DaemonOpener(options.place, options.dial, options.clock);
  }

  /** How it does. */
  get status(): VerifierStatus {
    return {
      daemon: formatAddress(this.#options.place.address),
      tls: this.#opener.secured ?? null,
      ...this.#verdicts,
      unanswered: this.#unanswered,
      trouble: this.#trouble,
    };
  }

  /**
   * Asks for a verdict. It settles within the deadlines of dialing, of TLS and of the question, and
   * never throws.
   *
   * @param blob the transaction's bytes
   * @param zone where it came from
   * @returns undefined where the daemon gave none
   */
  async ask(blob: Uint8Array, zone: Zone): Promise<Verdict | undefined> {
    if (this.#closed || this.#busy.size >= QUESTIONS_MAX) return undefined;
    const lane = this.#idle.get(zone)?.pop() ?? this.#newLane();
    this.#busy.add(lane);
    try {
      const verdict = await this.#askOn(lane, blob);
      this.#verdicts[verdict]++;
      this.#trouble = null;
      this.#tellBack();
      if (!this.#closed) this.#keep(lane, zone);
      return verdict;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#unanswered++;
      this.#trouble = error.message;
      this.#tellTrouble(error.message);
      // The next question takes another stream, on circuits of its own.
      lane.close();
      return undefined;
    } finally {
      this.#busy.delete(lane);
    }
  }

  /** Ends every stream to the daemon; what is being asked gets no verdict. */
  close(): void {
    this.#closed = true;
    for (const lane of [...this.#busy, ...[...this.#idle.values()].flat()]) lane.close();
    this.#idle.clear();
  }

  #keep(lane: DaemonLane, zone: Zone): void {
    const idle = this.#idle.get(zone);
    if (idle === undefined) this.#idle.set(zone, [lane]);
    else idle.push(lane);
  }

  #tellTrouble(reason: string): void {
    const { notice, clock } = this.#options;
    if (this.#closed || this.#isTold || clock.now() < this.#tellAt) return;
    this.#isTold = true;
    this.#tellAt = clock.now() + TROUBLE_TOLD_MS;
    const text = `The daemon of --verify-with gives no verdict, and nothing that peers send is passed on without one: ${reason}`;
    notice?.({ kind: "notice", level: "warning", text });
  }

  #tellBack(): void {
    if (!this.#isTold) return;
    this.#isTold = false;
    const text = "The daemon of --verify-with gives verdicts again.";
    this.#options.notice?.({ kind: "notice", level: "info", text });
  }

  #newLane(): DaemonLane {
    this.#labels++;
    const { login, random, clock } = this.#options;
    const label = `verify-${this.#labels}`;
    return new DaemonLane({ opener: this.#opener, label, login, random, clock, limits });
  }

  async #askOn(lane: DaemonLane, blob: Uint8Array): Promise<Verdict> {
    const { url } = this.#options.place.options;
    const question = {
      tx_as_hex: Buffer.from(blob).toString("hex"),
      do_not_relay: true,
      do_sanity_checks: true,
    };
    const answer = await lane.ask({
      ...{ method: "POST", path: PATH, contentType: "application/json" },
      body: Buffer.from(JSON.stringify(question)),
    });
    const text = await textOf(answer);
    if (answer.status !== 200) {
      throw noVerdict(
        `answered with status ${answer.status}; check that ${url} is a monerod's RPC`,
      );
    }
    const parsed = answerForm.safeParse(jsonOf(text));
    if (!parsed.success) {
      throw noVerdict(`gave an answer of another form; check that ${url} is a monerod's RPC`);
    }
    const { status, ...flags } = parsed.data;
    if (status === "OK") return "good";
    if (status !== "Failed") {
      const words = status.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
      throw noVerdict(`says ${words}; where that is BUSY, it has yet to find its own peers`);
    }
    return isForgiven(flags) ? "refused" : "bad";
  }
}

/**
 * What an honest peer may have taken: it met the other of two transactions first, its rules on fees
 * or form are not the daemon's, or it does not run a wallet's sanity checks.
 *
 * @see monero `src/cryptonote_core/tx_pool.cpp`, `m_no_drop_offense`
 */
function isForgiven(flags: Omit<z.output<typeof answerForm>, "status">): boolean {
  return (
    flags.double_spend ||
    flags.fee_too_low ||
    flags.nonzero_unlock_time ||
    flags.sanity_check_failed ||
    flags.tx_extra_too_big
  );
}

async function textOf(answer: DaemonAnswer): Promise<string> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const bytes = await answer.next();
    if (bytes === undefined) return Buffer.concat(parts).toString("utf8");
    parts.push(bytes.slice());
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function noVerdict(what: string): GatewayError {
  return new GatewayError("bad-answer", "peer", `The daemon ${what}.`);
}
