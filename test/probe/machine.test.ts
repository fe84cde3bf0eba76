import { describe, expect, test } from "bun:test";
import type { Refusal } from "../../lib/probe/classify.ts";
import type { Conversation } from "../../lib/probe/conversation.ts";
import type { LayerDeadlines } from "../../lib/probe/layer.ts";
import {
  BACKOFF_MS,
  CONVERSATION_BYTES_MAX,
  type ProbeEffect,
  ProbeMachine,
  type ProbeMachineOptions,
  type Walk,
} from "../../lib/probe/machine.ts";
import { tcpConversation } from "../../lib/probe/protocol-tcp.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

const deadlines: LayerDeadlines = {
  ...{ proxyMs: 10, bootstrapMs: 20, openMs: 30, answerMs: 40, protocolMs: 50 },
};

function machine(extra: Partial<ProbeMachineOptions> = {}): ProbeMachine {
  return new ProbeMachine({
    zone: "tor",
    proxied: true,
    deadlines,
    attemptsMax: 1,
    addresses: 1,
    converse: (variant) => (variant === 0 ? listening() : undefined),
    random: new SeededRandom(1),
    ...extra,
  });
}

/** Asks, and is content with three bytes. */
function listening(): Conversation {
  let bytes = 0;
  return {
    start: () => ({ kind: "send", bytes: Uint8Array.of(1) }),
    receive: (chunk) => {
      bytes += chunk.length;
      return bytes < 3 ? { kind: "more" } : { kind: "done", facts: { bytes }, evidence: ["three"] };
    },
    ended: () => ({
      kind: "failed",
      fault: { layer: "answer", code: "ended", evidence: "e", advice: "a" },
    }),
  };
}

function walkOf(effects: readonly ProbeEffect[]): Walk | undefined {
  return effects.flatMap((effect) => (effect.kind === "finish" ? [effect.walk] : []))[0];
}

function refusal(code: Refusal["code"], where: Refusal["where"]): Refusal {
  return { code, where, message: "No.", replyCode: undefined };
}

/** Up to the point where a stream is asked for, at time 0. */
function opening(one: ProbeMachine): void {
  expect(one.start(0)).toEqual([{ kind: "check-proxy" }]);
  expect(one.handle({ kind: "proxy-up", extendedErrors: true }, 0)).toEqual([
    { kind: "check-bootstrap" },
  ]);
  expect(one.handle({ kind: "bootstrapped" }, 0)).toEqual([
    { kind: "open", attempt: 1, address: 0 },
  ]);
}

describe("the machine", () => {
  test("walks up the layers and times them", () => {
    const one = machine();
    opening(one);
    expect(one.handle({ kind: "greeted" }, 2)).toEqual([]);
    expect(one.handle({ kind: "opened" }, 7)).toEqual([{ kind: "write", bytes: Uint8Array.of(1) }]);
    expect(one.handle({ kind: "bytes", bytes: new Uint8Array(2) }, 11)).toEqual([]);
    const walk = walkOf(one.handle({ kind: "bytes", bytes: new Uint8Array(1) }, 16));
    expect(walk?.verdict).toMatchObject({ ok: true, layer: "protocol", evidence: ["three"] });
    expect(walk?.timings).toEqual({
      ...{ proxyMs: 2, openMs: 5, firstByteMs: 4, protocolMs: 9, totalMs: 16 },
    });
    expect(one.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(one.handle({ kind: "ended" }, 17)).toEqual([]);
  });

  test("has a deadline for each layer", () => {
    const at = (steps: (one: ProbeMachine) => void): [number, string | undefined, string] => {
      const one = machine();
      steps(one);
      const due = one.wakeAt;
      expect(one.wake(due - 1)).toEqual([]);
      const verdict = walkOf(one.wake(due))?.verdict;
      return [due, verdict?.layer, verdict?.code ?? ""];
    };
    const opened = (one: ProbeMachine): void => {
      opening(one);
      one.handle({ kind: "greeted" }, 1);
      one.handle({ kind: "opened" }, 2);
    };
    expect(at((one) => one.start(0))).toEqual([10, "proxy", "proxy-silent"]);
    expect(
      at((one) => {
        one.start(0);
        one.handle({ kind: "proxy-up", extendedErrors: true }, 5);
        one.handle({ kind: "progress", text: "tor is at 14 %." }, 6);
      }),
    ).toEqual([25, "bootstrap", "not-bootstrapped"]);
    expect(at(opening)).toEqual([10, "proxy", "proxy-silent"]);
    expect(
      at((one) => {
        opening(one);
        one.handle({ kind: "greeted" }, 1);
      }),
    ).toEqual([31, "rendezvous", "open-deadline"]);
    expect(at(opened)).toEqual([42, "answer", "silent"]);
    expect(
      at((one) => {
        opened(one);
        one.handle({ kind: "bytes", bytes: new Uint8Array(1) }, 12);
        // A byte a minute does not move the protocol's deadline.
        one.handle({ kind: "bytes", bytes: new Uint8Array(1) }, 61);
      }),
    ).toEqual([62, "protocol", "stalled"]);
  });

  test("tells how far tor was", () => {
    const one = machine();
    one.start(0);
    one.handle({ kind: "proxy-up", extendedErrors: true }, 0);
    one.handle({ kind: "progress", text: "tor is at 14 %." }, 1);
    expect(walkOf(one.wake(20))?.verdict.evidence).toContain("tor is at 14 %.");
  });

  test("waits longer before each attempt, and gives up", () => {
    const one = machine({ attemptsMax: 3 });
    opening(one);
    const event = {
      kind: "refused",
      refusal: refusal("onion-rendezvous-failed", "network"),
      descriptor: undefined,
    } as const;
    expect(one.handle(event, 100)).toEqual([{ kind: "close" }]);
    const first = one.wakeAt - 100;
    expect(first).toBeGreaterThanOrEqual(BACKOFF_MS);
    expect(first).toBeLessThanOrEqual(1.5 * BACKOFF_MS);
    const again = one.wakeAt;
    expect(one.wake(again)).toEqual([{ kind: "open", attempt: 2, address: 0 }]);
    one.handle(event, again);
    expect(one.wakeAt - again).toBeGreaterThanOrEqual(2 * BACKOFF_MS);
    const last = one.wakeAt;
    one.wake(last);
    expect(walkOf(one.handle(event, last))).toMatchObject({
      attempts: 3,
      verdict: { code: "rendezvous-failed" },
    });
  });

  test("goes on to the peer's next address, but not when the proxy is gone", () => {
    const one = machine({ addresses: 2 });
    opening(one);
    const refused = (code: Refusal["code"], where: Refusal["where"]) =>
      ({ kind: "refused", refusal: refusal(code, where), descriptor: undefined }) as const;
    expect(one.handle(refused("onion-descriptor-not-found", "peer"), 1)).toEqual([
      { kind: "close" },
      { kind: "open", attempt: 2, address: 1 },
    ]);
    expect(walkOf(one.handle(refused("onion-descriptor-not-found", "peer"), 2))).toBeDefined();
    const two = machine({ addresses: 2 });
    opening(two);
    expect(walkOf(two.handle(refused("proxy-unreachable", "local"), 1))?.verdict).toMatchObject({
      ...{ layer: "proxy", where: "local" },
    });
  });

  test("takes an open stream for proof, but not over I2P, whose OK means little", () => {
    const opened = (zone: "tor" | "i2p"): [ProbeMachine, readonly ProbeEffect[]] => {
      const one = machine({ zone, converse: () => tcpConversation(zone === "tor") });
      opening(one);
      one.handle({ kind: "greeted" }, 0);
      return [one, one.handle({ kind: "opened" }, 0)];
    };
    const [, atOnce] = opened("tor");
    expect(walkOf(atOnce)?.verdict).toMatchObject({ ok: true, layer: "rendezvous" });
    const [silent, nothing] = opened("i2p");
    expect(nothing).toEqual([]);
    expect(walkOf(silent.wake(40))?.verdict).toMatchObject({
      ...{ ok: false, layer: "answer", code: "silent" },
      mayBe: ["descriptor", "introduction", "rendezvous"],
    });
    const [down] = opened("i2p");
    expect(walkOf(down.handle({ kind: "ended" }, 1))?.verdict).toMatchObject({
      ...{ ok: false, layer: "rendezvous", where: "peer", code: "closed-at-once" },
    });
    const [speaks] = opened("i2p");
    expect(
      walkOf(speaks.handle({ kind: "bytes", bytes: new Uint8Array(3) }, 1))?.verdict,
    ).toMatchObject({ ok: true, layer: "protocol" });
  });

  test("bounds what a peer may send", () => {
    const endless: Conversation = {
      start: () => ({ kind: "more" }),
      receive: () => ({ kind: "more" }),
      ended: () => ({ kind: "more" }),
    };
    const one = machine({ converse: () => endless });
    opening(one);
    one.handle({ kind: "greeted" }, 0);
    one.handle({ kind: "opened" }, 0);
    expect(one.handle({ kind: "bytes", bytes: new Uint8Array(CONVERSATION_BYTES_MAX) }, 1)).toEqual(
      [],
    );
    expect(walkOf(one.handle({ kind: "bytes", bytes: new Uint8Array(1) }, 2))?.verdict.code).toBe(
      "too-much",
    );
  });
});
