import { expect, test } from "bun:test";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { readNodeSettings } from "../../cli/node-settings.ts";
import { readPlaced } from "../../cli/option-place.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";

const TOR = "tx-proxy=tor,127.0.0.1:9050";

/** What is said of a command line and a file. */
function said(words: readonly string[], config: string): string {
  const command = new Command("node").exitOverride();
  addNodeOptions(command);
  command.parse([...words], { from: "user" });
  const file = "node.conf";
  const lines = parseConfig(config, file);
  try {
    const { texts, placeOf } = collectTexts(command, lines, file);
    readPlaced({ file, lines, texts }, () => readNodeSettings(texts, placeOf));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    expect(exitCodeOf(error.where)).toBe(2);
    return error.message;
  }
  throw new Error("It was taken.");
}

test.each([
  ["a number", `${TOR}\nrpc-bind-port=99999`, "node.conf, line 2: --rpc-bind-port 99999 is not"],
  ["a zone", "# a proxy\ntx-proxy=banana", 'node.conf, line 2: "banana" in --tx-proxy banana'],
  ["one of several", `${TOR}\ntx-proxy=i2p,banana`, "node.conf, line 2: --tx-proxy i2p,banana has"],
  ["a switch", `regtest=perhaps\n${TOR}`, 'node.conf, line 1: --regtest is a switch; "perhaps"'],
  ["a duration", `${TOR}\ntimed-sync=1d`, "node.conf, line 2: --timed-sync"],
  [
    "a name in capitals",
    `${TOR}\nreveal-IP-address=maybe`,
    "node.conf, line 2: --reveal-IP-address",
  ],
  ["a delay", `${TOR}\npublic\nforward-delay=x`, "node.conf, line 3: --forward-delay: "],
  ["an embargo", `${TOR}\npublic\ndandelion-embargo=x`, "node.conf, line 3: --dandelion-embargo: "],
  [
    "a value that is not there",
    `${TOR}\nnoise-channels`,
    "node.conf, line 2: noise-channels needs",
  ],
  ["a daemon", `${TOR}\ndaemon=http://a b`, "node.conf, line 2: --daemon"],
])("the line of %s that can't be used is named", (_, config, message) => {
  expect(said([], config)).toStartWith(message);
});

test("no line is named for what the command line gave", () => {
  const config = `${TOR}\nrpc-bind-port=18081`;
  expect(said(["--rpc-bind-port", "99999"], config)).toStartWith("--rpc-bind-port 99999");
  expect(said(["--tx-proxy", "i2p,banana"], config)).toStartWith("--tx-proxy i2p,banana");
});

test("no line is named for what is missing", () => {
  expect(said([], "add-peer=127.0.0.1:1")).toStartWith("node.conf, line 1: ");
  expect(said([], "regtest=1")).toStartWith("The node has no zone: give --tx-proxy");
});

test("a password is in no message, also where its @ is missing", () => {
  for (const proxy of [
    "tor,socks5://alice:secret:127.0.0.1:1",
    "tor,socks5://alice:secret",
    "tor,socks5://secret",
    "socks5://alice:secret",
  ]) {
    for (const option of ["tx-proxy", "tor-proxy", "proxy"]) {
      expect(said([`--${option}`, proxy], "")).not.toMatch(/secret|alice/);
    }
  }
  expect(said(["--tx-proxy", "tor,socks5://127.0.0.1"], "")).toContain("socks5://127.0.0.1 has");
});
