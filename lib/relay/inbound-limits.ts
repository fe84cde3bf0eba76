import type { BudgetOptions } from "./budget.ts";

/** How much of one kind of work peers of an anonymity zone may make us do. */
export interface WorkLimits {
  /** What one link may, guest or dialed. */
  readonly link: BudgetOptions;
  /**
   * What every guest may whatever the others do: an even part of `perSecond`, but no less than
   * `perSecondMin`, which is several times what an honest peer sends.
   */
  readonly share: BudgetOptions & { readonly perSecondMin: number };
  /** What goes beyond the guests' shares comes out of this, which all of them draw on. */
  readonly pool: BudgetOptions;
}

/** The kinds of work: what arrives, and what it costs to understand and answer it. */
export type WorkKind = "bytes" | "messages" | "requests" | "transactions";

/** All bounds of an anonymity zone on its guests. */
export interface InboundLimits {
  readonly work: Readonly<Record<WorkKind, WorkLimits>>;
  /** Handshakes of the zone: each is read, and answered with up to 250 peers. */
  readonly handshakes: BudgetOptions;
  /**
   * Guests of the zone that may have the burst of their share as soon as they shook hands. Who comes
   * when there are more begins with nothing: coming again must not be a way to a new burst.
   */
  readonly welcomes: BudgetOptions;
  /** Bytes that a stranger may send in all: its handshake's request has some hundred. */
  readonly strangerBytesMax: number;
  /** Messages and frames that a stranger may send in all. */
  readonly strangerMessagesMax: number;
  /** How long a stranger keeps its place where another wants it, in milliseconds. */
  readonly strangerPatienceMs: number;
  /** Until when a stranger must have shaken hands where nobody wants its place. */
  readonly strangerMsMax: number;
}

/**
 * An honest peer sends a noise frame of 3,072 bytes every ten seconds and a timed sync a minute.
 * Its share is more than that even where 2,500 guests are let in, and some times a whole schedule
 * of a frame a second where there are the 64 places that monero.conf's default makes.
 */
export const INBOUND_LIMITS: InboundLimits = Object.freeze({
  work: Object.freeze({
    bytes: {
      // The longest message is 2 MiB.
      link: { burst: 4_194_304, perSecond: 65_536 },
      // A transaction of 20 frames at once.
      share: { burst: 65_536, perSecond: 1_048_576, perSecondMin: 1_024 },
      pool: { burst: 8_388_608, perSecond: 262_144 },
    },
    messages: {
      link: { burst: 400, perSecond: 20 },
      share: { burst: 40, perSecond: 320, perSecondMin: 0.5 },
      pool: { burst: 1_000, perSecond: 100 },
    },
    requests: {
      link: { burst: 20, perSecond: 1 },
      share: { burst: 4, perSecond: 6.4, perSecondMin: 0.05 },
      pool: { burst: 100, perSecond: 10 },
    },
    transactions: {
      // One message may hold many; each is parsed and hashed before the next tick.
      link: { burst: 64, perSecond: 5 },
      share: { burst: 16, perSecond: 64, perSecondMin: 0.1 },
      pool: { burst: 500, perSecond: 25 },
    },
  }),
  // Some tenths of a millisecond each; ticks go before, so more of them only make a busy processor.
  handshakes: { burst: 20_000, perSecond: 4_000 },
  welcomes: { burst: 100, perSecond: 25 },
  strangerBytesMax: 32_768,
  strangerMessagesMax: 16,
  // Over Tor a handshake's request is a round trip behind the stream's beginning.
  strangerPatienceMs: 5_000,
  strangerMsMax: 30_000,
});
