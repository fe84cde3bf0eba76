import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { seedOnions } from "../address/known-onions.ts";

const ONION = seedOnions[0] ?? "";
const PEER = `${ONION}:18083`;
const ONLY = ["--only-onion", "--tor-proxy", "127.0.0.1:9050", "--add-peer", PEER];

function settings(words: readonly string[], file = ""): NodeSettings {
  const command = new Command().exitOverride();
  addNodeOptions(command);
  command.parse(["bun", "anonctl", ...words]);
  return readNodeSettings(collectTexts(command, parseConfig(file, "f"), "f").texts);
}

describe("the modes of a node", () => {
  test("default, prefer-tor and only-onion; the stricter of two counts", () => {
    const tor = ["--tor-proxy", "127.0.0.1:9050", "--add-peer", PEER];
    expect(settings(tor).mode).toBe("default");
    expect(settings([...tor, "--prefer-tor"]).mode).toBe("prefer-tor");
    expect(settings([...tor, "--only-onion"]).mode).toBe("only-onion");
    expect(settings([...tor, "--prefer-tor", "--only-onion"]).mode).toBe("only-onion");
    expect(settings(tor, "only-onion=1\n").mode).toBe("only-onion");
    expect(settings([...ONLY, "--anonymous-inbound", `${PEER},127.0.0.1:1`]).mode).toBe(
      "only-onion",
    );
  });

  test("anonymize is only-onion for a node without open peers", () => {
    const tor = ["--tor-proxy", "127.0.0.1:9050", "--add-peer", PEER];
    expect(settings([...tor, "--anonymize"]).mode).toBe("only-onion");
    expect(settings([...tor, "--reveal-IP-address", "false"]).mode).toBe("only-onion");
    expect(settings(tor, "reveal-IP-address=false\n").mode).toBe("only-onion");
    const open = [...tor, "--anonymize", "--add-peer", "192.0.2.1:18080"];
    expect(settings(open).mode).toBe("anonymize");
  });

  test("--tor-proxy is the tor zone's proxy", () => {
    const { proxies } = settings(ONLY);
    expect(proxies).toMatchObject([{ zone: "tor", proxy: { host: "127.0.0.1", port: 9050 } }]);
    const both = settings([...ONLY, "--tx-proxy", "i2p,127.0.0.1:4447"]);
    expect(both.proxies.map(({ zone }) => zone).sort()).toEqual(["i2p", "tor"]);
  });

  test.each<[string, string[], string]>([
    ["no proxy", ["--only-onion", "--anonymous-inbound", `${PEER},127.0.0.1:1`], "needs a proxy"],
    ["an open RPC", [...ONLY, "--rpc-bind-ip", "0.0.0.0", "--confirm-external-bind"], "0.0.0.0"],
    ["an open listener", [...ONLY, "--anonymous-inbound", `${PEER},192.0.2.1:1`], "192.0.2.1"],
    ["an open IPv6 listener", [...ONLY, "--anonymous-inbound", `${PEER},[::]:1`], "--anonymous"],
    ["a public peer", [...ONLY, "--add-peer", "192.0.2.1:18080"], "192.0.2.1:18080"],
    ["a public peer by name", [...ONLY, "--add-priority-node", "a.example:1"], "a.example:1"],
    [
      "a control port elsewhere",
      [...ONLY, "--anonymous-inbound", "auto", "--control", "192.0.2.1:9051"],
      "--control 192.0.2.1:9051",
    ],
    ["two proxies", [...ONLY, "--tx-proxy", "tor,127.0.0.1:9150"], "--tor-proxy and --tx-proxy"],
  ])("only-onion refuses %s at the start", (_, words, said) => {
    expect(() => settings(words)).toThrow(said);
  });

  test("a control port beside the proxy may be on its machine", () => {
    const words = ["--only-onion", "--tor-proxy", "192.0.2.1:9050", "--add-peer", PEER];
    const control = ["--anonymous-inbound", "auto", "--control", "192.0.2.1:9051"];
    const { warnings } = settings([...words, ...control]);
    expect(warnings.join(" ")).toContain("192.0.2.1 is on another machine");
  });
});

describe("--tor-rotate-circuits", () => {
  test("is off unless it is asked for", () => {
    expect(settings(ONLY).rotateMs).toBeUndefined();
    expect(settings([...ONLY, "--tor-rotate-circuits", "10m"]).rotateMs).toBe(600_000);
  });

  test.each([
    [[...ONLY, "--tor-rotate-circuits", "1s"], "from 30s to 24h"],
    [
      [
        "--tx-proxy",
        "tor,socks4a://127.0.0.1:1",
        "--add-peer",
        PEER,
        "--tor-rotate-circuits",
        "1m",
      ],
      "needs a SOCKS5 proxy",
    ],
    [
      [
        "--tor-proxy",
        "socks5://a:b@127.0.0.1:1",
        "--add-peer",
        PEER,
        "--tor-rotate-circuits",
        "1m",
      ],
      "without credentials of your own",
    ],
    [
      ["--anonymous-inbound", `${PEER},127.0.0.1:1`, "--tor-rotate-circuits", "1m"],
      "needs a SOCKS5",
    ],
  ])("%p is refused", (words, said) => {
    expect(() => settings(words)).toThrow(said);
  });
});
