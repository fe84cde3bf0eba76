import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Address, makeAddress } from "../../lib/address/address.ts";
import { isInternal } from "../../lib/address/internal.ts";
import { onionName } from "../../lib/address/onion.ts";
import { ZoneError } from "../../lib/zone/error.ts";
import {
  checkListen,
  type DialStep,
  dialPlan,
  type PeerAddresses,
  peerAddressesOf,
  staysHidden,
} from "../../lib/zone/mode.ts";
import { closeAfterwards, closeAll, closedPort, listening, rejection } from "../socks/loopback.ts";
import { ExitProxy, isolationOf } from "./exit-proxy.ts";
import { greeter, greeting, peerDialer } from "./tor-peer.ts";

const RUNS = 10_000;
const PROPERTY_MS_MAX = 60_000;
const PORT = 30_303;
const ONION = onionName(new Uint8Array(32).fill(1));
const I2P = `${"a".repeat(52)}.b32.i2p`;
const OPEN = "198.51.100.7";
const OPEN6 = "2001:db8::7";
const NAME = "node.example.com";
const everyWay = { tor: true, i2p: true, clearnet: true };

afterEach(closeAll);

function peer(...hosts: readonly string[]): PeerAddresses {
  return peerAddressesOf(hosts.map((host) => makeAddress(host, PORT)));
}

/** Steps in short: an exit is written so, a star stands for what takes a hidden address's place. */
function plan(peer: PeerAddresses, ways = everyWay): string {
  try {
    const steps = dialPlan("anonymize", peer, ways);
    return steps
      .map((step) => {
        const way = step.zone !== "public" ? step.zone : step.exit ? "exit" : "OPEN";
        return `${way}${step.fallback ? "*" : ""}`;
      })
      .join(" ");
  } catch (error) {
    if (error instanceof ZoneError) return error.code;
    throw error;
  }
}

describe("anonymize mode's plans", () => {
  const noTor = { ...everyWay, tor: false };
  test.each<[string, PeerAddresses, string, string]>([
    ["both kinds", peer(ONION, OPEN), "tor exit*", "no-proxy"],
    ["open only", peer(OPEN), "exit", "no-proxy"],
    ["two open ones", peer(OPEN, OPEN6), "exit exit", "no-proxy"],
    ["a DNS name", peer(NAME), "exit", "no-proxy"],
    ["onion only", peer(ONION), "tor", "no-proxy"],
    ["I2P and open", peer(I2P, OPEN), "i2p exit*", "i2p"],
    ["every zone", peer(ONION, I2P, OPEN, NAME), "tor i2p exit* exit*", "i2p"],
    ["this machine", peer("127.0.0.1"), "internal-address", "no-proxy"],
    ["this machine by name", peer("localhost"), "internal-address", "no-proxy"],
    ["a local network and beyond", peer("192.168.0.9", OPEN), "exit", "no-proxy"],
    ["an onion in a local network", peer(ONION, "10.0.0.1", "::1"), "tor", "no-proxy"],
    ["nothing", peer(), "no-address", "no-address"],
  ])("%s", (_, addresses, withTor, without) => {
    expect([plan(addresses), plan(addresses, noTor)]).toEqual([withTor, without]);
    // What may be dialed openly in other modes changes nothing.
    const closed = { ...everyWay, clearnet: false };
    expect(plan(addresses, closed)).toBe(withTor);
  });

  test("errors name the address and what to do", () => {
    const refused = (ways: typeof everyWay, host: string): (() => unknown) => {
      return () => dialPlan("anonymize", peer(host), ways);
    };
    expect(refused({ ...everyWay, tor: false }, OPEN)).toThrow(
      `"${OPEN}" is of the public internet, which --anonymize reaches only through the tor zone's proxy; give --tor-proxy IP:PORT.`,
    );
    expect(refused(everyWay, "10.0.0.1")).toThrow(
      '"10.0.0.1" is of one machine or one local network, which no exit of Tor reaches',
    );
  });

  test("a listener beyond this machine is refused under the option's own name", () => {
    expect(() => checkListen("anonymize", "0.0.0.0", "--rpc-bind-ip")).toThrow(
      "which --anonymize never does",
    );
    expect(() => checkListen("anonymize", "127.0.0.1", "--rpc-bind-ip")).not.toThrow();
    expect(staysHidden("anonymize") && staysHidden("only-onion")).toBe(true);
    expect(staysHidden("default") || staysHidden("prefer-tor")).toBe(false);
  });
});

const anonymous = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => onionName(key));
const host = fc.oneof(
  anonymous,
  fc.constantFrom(I2P, "stats.i2p", NAME, "localhost", "printer.local"),
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("127.0.0.1", "::1", "0.0.0.0", "192.168.1.1", "::ffff:10.0.0.1", "fe80::1"),
);
const address: fc.Arbitrary<Address> = fc
  .tuple(host, fc.integer({ min: 1, max: 65_535 }))
  .map(([text, port]) => makeAddress(text, port));
const peers = fc.array(address, { maxLength: 6 }).map(peerAddressesOf);
const availability = fc.record({ tor: fc.boolean(), i2p: fc.boolean(), clearnet: fc.boolean() });

describe("for any peer and whatever is at hand", () => {
  test(
    "a plan of anonymize mode never has a step that is dialed openly",
    () => {
      let exits = 0;
      fc.assert(
        fc.property(peers, availability, (peer, ways) => {
          let steps: readonly DialStep[] = [];
          try {
            steps = dialPlan("anonymize", peer, ways);
          } catch (error) {
            expect(error).toBeInstanceOf(ZoneError);
          }
          for (const step of steps) {
            expect(step.address.zone).toBe(step.zone);
            if (step.zone !== "public") continue;
            exits++;
            const isUnfit = !step.exit || !ways.tor || isInternal(step.address.host);
            expect(isUnfit).toBe(false);
          }
          // All that is left when the exits are taken away is what only-onion mode dials.
          const hidden = steps.filter(({ zone }) => zone !== "public");
          if (hidden.length > 0) expect(dialPlan("only-onion", peer, ways)).toEqual(hidden);
        }),
        { numRuns: RUNS },
      );
      expect(exits).toBeGreaterThan(RUNS / 10);
    },
    PROPERTY_MS_MAX,
  );

  test("no other mode dials through an exit", () => {
    fc.assert(
      fc.property(
        peers,
        availability,
        fc.constantFrom("default" as const, "prefer-tor" as const, "only-onion" as const),
        (peer, ways, mode) => {
          try {
            for (const step of dialPlan(mode, peer, ways)) {
              if (step.zone === "public") expect(step.exit).toBe(false);
            }
          } catch (error) {
            expect(error).toBeInstanceOf(ZoneError);
          }
        },
      ),
    );
  });
});

describe("a dialer in anonymize mode", () => {
  /** A proxy with exits, and a peer that listens where an open dial would find it. */
  async function scene() {
    const proxy = await ExitProxy.start();
    closeAfterwards(() => void proxy.close());
    const open = await listening((socket) => socket.destroy());
    const told: string[] = [];
    const dialer = peerDialer({
      ...{ mode: "anonymize", socksPort: proxy.port, clearnet: { kind: "direct" } },
      onNotice: ({ text }) => told.push(text),
    });
    return { proxy, dialer, told, open };
  }

  test("reaches an open address, and a name that it does not look up, at an exit", async () => {
    const { proxy, dialer, told } = await scene();
    const service = await greeter("exit");
    for (const host of [OPEN, OPEN6, NAME]) {
      proxy.lead(host, service.port);
      const { word, dialed } = await greeting(dialer, peer(host));
      expect([word, dialed.zone, dialed.address.host]).toEqual(["exit", "public", host]);
      expect(dialed.notices).toEqual([]);
    }
    expect(proxy.asked).toEqual([OPEN, OPEN6, NAME].map((host) => `${host}:${PORT}`));
    expect(told).toEqual([]);
  });

  test("prefers the onion, and tells that it goes to an exit where that fails", async () => {
    const { proxy, dialer, told } = await scene();
    const [hidden, exit] = [await greeter("onion"), await greeter("exit")];
    proxy.lead(OPEN, exit.port);
    proxy.lead(ONION, hidden.port);
    expect((await greeting(dialer, peer(ONION, OPEN))).word).toBe("onion");
    const absent = onionName(new Uint8Array(32).fill(2));
    const { word, dialed } = await greeting(dialer, peer(absent, OPEN));
    expect([word, dialed.zone]).toEqual(["exit", "public"]);
    expect(told).toEqual([
      expect.stringContaining(`; dialing ${OPEN}:${PORT} through an exit of Tor.`),
    ]);
    expect(dialed.notices.map(({ text }) => text)).toEqual(told);
    // The onion's circuit and the exit's are two, by the credentials.
    const labels = proxy.requests.map(isolationOf);
    expect(labels).toEqual(["link-1", "link-1", "exit-link-1"]);
  });

  test("dials nothing openly, whatever fails and whatever is allowed otherwise", async () => {
    const { proxy, dialer, open } = await scene();
    const local = peerAddressesOf([makeAddress("127.0.0.1", open.port)]);
    const options = { label: "link-1", deadlineMs: 5_000 };
    expect(await rejection(dialer.dial(local, options))).toMatchObject({
      ...{ code: "internal-address", where: "config" },
    });
    expect(await rejection(dialer.dial(peer(OPEN), options))).toMatchObject({
      code: "host-unreachable",
    });
    const down = { mode: "anonymize", clearnet: { kind: "direct" } } as const;
    const proxyDown = peerDialer({ ...down, socksPort: await closedPort() });
    expect(await rejection(proxyDown.dial(peer(OPEN), options))).toMatchObject({
      code: "proxy-unreachable",
    });
    const none = peerDialer(down);
    for (const addresses of [peer(OPEN), local]) {
      expect(await rejection(none.dial(addresses, options))).toMatchObject({ code: "no-proxy" });
    }
    expect([open.accepted.length, proxy.asked]).toEqual([0, [`${OPEN}:${PORT}`]]);
    expect(dialer.ways.clearnet).toBe(false);
  });
});
