import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  assertConfined,
  type Confinement,
  type MonerodConfig,
  monerodArguments,
} from "../../lib/devnet/monerod-arguments.ts";

const ONION = `${"a".repeat(56)}.onion:18083`;
const SEED = "176.9.0.187:18080";

const config: MonerodConfig = {
  dataDirectory: "/tmp/data",
  confinement: { kind: "exclusive", nodes: ["127.0.0.1:1", ONION] },
  p2pPort: 20_001,
  rpcPort: 20_002,
  restrictedRpcPort: 20_003,
  txProxies: [{ zone: "tor", port: 9_050, connectionsMax: 16, noise: false }],
  anonymousInbounds: [{ address: ONION, port: 20_004 }],
  logLevel: "0",
};

const refused = { code: "would-dial-out", where: "bug" };

function thrown(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return "nothing was thrown";
}

/** The arguments without an option and its value, as a mistake in the code would leave them. */
function without(arguments_: readonly string[], option: string, values: number): string[] {
  const at = arguments_.indexOf(option);
  expect(at).toBeGreaterThanOrEqual(0);
  return [...arguments_.slice(0, at), ...arguments_.slice(at + 1 + values)];
}

describe("the command line of a regtest monerod", () => {
  test("has what was asked for", () => {
    const text = monerodArguments(config).join(" ");
    expect(text).toContain("--regtest --keep-fakechain --fixed-difficulty 1");
    expect(text).toContain("--tx-proxy tor,127.0.0.1:9050,16,disable_noise");
    expect(text).toContain(`--anonymous-inbound ${ONION},127.0.0.1:20004`);
    expect(text).toContain("--rpc-restricted-bind-ip 127.0.0.1 --rpc-restricted-bind-port 20003");
    expect(text).toContain(`--add-exclusive-node 127.0.0.1:1 --add-exclusive-node ${ONION}`);
  });

  test("is not made without confinement", () => {
    const onlyOnion: Confinement = { kind: "exclusive", nodes: [ONION] };
    const outside: Confinement = { kind: "exclusive", nodes: ["127.0.0.1:1", SEED] };
    const nothing = { kind: "exclusive", nodes: [] } as unknown as Confinement;
    for (const confinement of [onlyOnion, outside, nothing]) {
      expect(thrown(() => monerodArguments({ ...config, confinement }))).toMatchObject(refused);
    }
  });

  test("is refused when the code forgets the one option that confines it", () => {
    const offline = monerodArguments({ ...config, confinement: { kind: "offline" } });
    expect(thrown(() => assertConfined(without(offline, "--offline", 0)))).toMatchObject(refused);
    const exclusive = monerodArguments({
      ...config,
      confinement: { kind: "exclusive", nodes: ["127.0.0.1:1"] },
    });
    const mutant = without(exclusive, "--add-exclusive-node", 1);
    expect(thrown(() => assertConfined(mutant))).toMatchObject(refused);
    expect(thrown(() => assertConfined([]))).toMatchObject(refused);
  });

  test("is refused with any way out", () => {
    const good = monerodArguments(config);
    const waysOut = [
      ["--add-peer", SEED],
      ["--add-priority-node", "seed.example.com:18080"],
      ["--seed-node", "[2001:db8::1]:18080"],
      ["--add-exclusive-node", "localhost:18080"],
      ["--add-exclusive-node=176.9.0.187:18080"],
      ["--add-exclusive-node", "127.0.0.1.example.com:18080"],
      ["--tx-proxy", "tor,192.0.2.1:9050"],
      ["--tx-proxy", "tor,socks5://user:pass@192.0.2.1:9050"],
      ["--proxy", "127.0.0.1:9050"],
      ["--config-file", "/tmp/monero.conf"],
      ["--bootstrap-daemon-address", "auto"],
    ];
    for (const wayOut of waysOut) {
      expect(thrown(() => assertConfined([...good, ...wayOut]))).toMatchObject(refused);
    }
    assertConfined([...good, "--tx-proxy", "i2p,socks5://user:pass@127.0.0.1:4447,4"]);
    assertConfined([...good, "--add-peer", "[::1]:18080"]);
  });

  test("never reads a value as the option that confines it", () => {
    const values = [
      { dataDirectory: "--offline" },
      { logLevel: "--offline" },
      { anonymousInbounds: [{ address: "--offline", port: 1 }] },
    ];
    const confinement: Confinement = { kind: "exclusive", nodes: [ONION] };
    for (const value of values) {
      const act = (): unknown => monerodArguments({ ...config, confinement, ...value });
      expect(thrown(act)).toMatchObject(refused);
    }
  });

  test("whatever is asked for, every peer is loopback or hidden, and one confines", () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((text) => `[${text}]`),
      fc.domain(),
      fc.constantFrom("127.0.0.1", "[::1]", "localhost", `${"b".repeat(56)}.onion`, "--offline"),
      fc.string(),
    );
    const node = fc.tuple(host, fc.nat(65_535)).map(([name, port]) => `${name}:${port}`);
    const nodes = fc.array(node, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(nodes, ([first = "", ...rest]) => {
        const confinement: Confinement = { kind: "exclusive", nodes: [first, ...rest] };
        let made: string[];
        try {
          made = monerodArguments({ ...config, confinement });
        } catch (error) {
          expect(error).toMatchObject(refused);
          return;
        }
        const peers = made.filter((_, index) => made[index - 1] === "--add-exclusive-node");
        expect(peers.length).toBe(1 + rest.length);
        const confining = /^(127\.\d+\.\d+\.\d+|\[::1\]):\d+$/;
        for (const peer of peers) {
          expect(peer).toMatch(/^(127\.\d+\.\d+\.\d+|\[::1\]|[a-z2-7]{56}\.onion):\d+$/);
        }
        expect(peers.some((peer) => confining.test(peer))).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });
});
