import { describe, expect, test } from "bun:test";
import { networks } from "../../lib/monero/network.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import type { RelayEffect } from "../../lib/relay/event.ts";
import { GIVE_UP_MS } from "../../lib/relay/pool.ts";
import { handshakeResponse } from "../../lib/relay/speech.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { zoneProfiles } from "../../lib/zone/profile.ts";
import { blobOf, idOf } from "./transactions.ts";
import { VirtualNetwork } from "./virtual-network.ts";

const TUPLE = {
  currentHeight: 141n,
  cumulativeDifficulty: 141n,
  topId: new Uint8Array(32).fill(3),
  topVersion: 16,
  pruningSeed: 0,
};

/** A core whose only peer has answered the handshake, and whose transaction has just left. */
function justLeft() {
  const address = new VirtualNetwork().name();
  const targets = [{ address, kind: "exclusive" as const }];
  const zone = { zone: "tor" as const, targets, outboundMax: 1, inboundMax: 0, remembered: TUPLE };
  const random = new SeededRandom(5);
  const core = new RelayCore({ network: networks.regtest, zones: [zone], random }, 0);
  const [dial] = core.wake(0);
  if (dial?.kind !== "dial") throw new Error("It did not dial.");
  const { link } = dial;
  core.handle("tor", { kind: "dialed", link }, 0, 0);
  const message = handshakeResponse(zoneProfiles.tor, networks.regtest, TUPLE);
  core.handle("tor", { kind: "message", link, message }, 0, 0);
  core.submit(blobOf(0), 0, 0);
  let effects: RelayEffect[] = [];
  let now = 0;
  while (!effects.some(({ kind }) => kind === "record")) {
    now = core.wakeAt;
    effects = core.wake(now);
  }
  const transaction = core.pool.get(idOf(0));
  if (transaction === undefined) throw new Error("The transaction is gone.");
  return { core, link, now, transaction };
}

describe("a transaction whose frames were handed over", () => {
  test("is due again, and never given up, where the link dies before the peer is heard", () => {
    const { core, link, now, transaction } = justLeft();
    const reason = "the stream broke";
    core.handle("tor", { kind: "closed", link, where: "network", reason }, now, now);
    expect(core.standing(transaction, now).kind).toBe("held");
    core.wake(now + GIVE_UP_MS + 60_000);
    expect(core.pool.get(idOf(0))).toBe(transaction);
  });

  test("waits for its retry, and is given up in three days, once the peer was heard", () => {
    const { core, link, now, transaction } = justLeft();
    const told = core.handle("tor", { kind: "heard", link }, now, now);
    expect(told).toContainEqual({
      ...{ kind: "record", id: idOf(0), sends: 1, confirmed: true, again: transaction.dueAt },
    });
    const reason = "it closed the stream";
    core.handle("tor", { kind: "closed", link, where: "peer", reason }, now, now);
    expect(core.standing(transaction, now).kind).toBe("sent");
    expect(core.wake(now + GIVE_UP_MS)).toContainEqual({ kind: "forget", id: idOf(0) });
  });
});
