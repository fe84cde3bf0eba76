import { afterAll, afterEach, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { onionName } from "../../lib/address/onion.ts";
import { formatRecord } from "../../lib/ethereum/enr.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { onionTo, TestNode } from "../relay/ethereum-network.ts";
import { closeAll, listening } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import { EthereumProcess, endEthereumNodes, folder } from "./ethereum-process.ts";

const { describe, test } = requireDaemon("strace", "setpriv");

const KEY = new Uint8Array(32).fill(1);
const OTHER_KEY = new Uint8Array(32).fill(2);
const UP_MS_MAX = 60_000;
/** Every system call with which a process can send something to another, or ask to. */
const CALLS = "connect,sendto,sendmsg,sendmmsg,bind,socket,io_uring_setup";

afterEach(closeAll);
afterAll(endEthereumNodes);

function record(privateKey: Uint8Array, pairs: Record<string, RlpItem>): string {
  return formatRecord(makeRecord({ privateKey, pairs }).bytes);
}

/** Places of internet sockets in a trace, by call. */
function places(trace: string, call: string): Set<string> {
  const found = trace
    .split("\n")
    .filter((line) => line.includes(`${call}(`))
    .flatMap((line) => {
      const port = /sin6?_port=htons\((\d+)\)/.exec(line)?.[1];
      const host = /inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/.exec(line);
      return port === undefined ? [] : [`${host?.[1] ?? host?.[2] ?? "?"}:${port}`];
    });
  return new Set(found);
}

describe("an Ethereum node's connections, as the kernel saw them", () => {
  test.each([
    ["only-onion", ["--only-onion"]],
    ["anonymize", ["--anonymize"]],
    ["prefer-tor", ["--prefer-tor"]],
  ] as const)(
    "in %s mode, with peers that have open addresses too",
    async (mode, words) => {
      const peer = await TestNode.start({ privateKey: KEY });
      const { network, target } = await onionTo(peer, KEY);
      const { onion } = target.addresses;
      // Whoever is dialed openly is seen here.
      const { port: openPort, accepted } = await listening((socket) => socket.destroy());
      const ip = Uint8Array.of(127, 0, 0, 1);
      const alive = record(KEY, {
        onion3: Buffer.from(onion?.host ?? ""),
        tcp: rlpInteger(peer.port),
      });
      const dead = record(OTHER_KEY, {
        ...{ onion3: Buffer.from(onionName(new Uint8Array(32).fill(9))), ip },
        tcp: rlpInteger(openPort),
      });
      const file = join(folder(), "trace");
      const node = new EthereumProcess(
        [
          ...["--tor-proxy", `127.0.0.1:${network.socksPort}`, ...words],
          ...["--peer", alive, "--peer", dead],
        ],
        undefined,
        ["strace", "-f", "-qq", "-e", `trace=${CALLS}`, "-o", file],
      );
      await node.peer("up", UP_MS_MAX);
      // Twice: the second try is made after the first has failed.
      const waits = () => node.lines.filter(({ state }) => state === "waiting").length;
      await node.line(() => waits() >= 2, UP_MS_MAX);
      await node.end("SIGKILL");
      const trace = readFileSync(file, "utf8");
      const proxy = `127.0.0.1:${network.socksPort}`;
      const open = `127.0.0.1:${openPort}`;
      // The other mode shows that the trace would have seen it.
      const expected = mode === "prefer-tor" ? [open, proxy] : [proxy];
      expect([...places(trace, "connect")].sort()).toEqual(expected.sort());
      expect(accepted.length > 0).toBe(mode === "prefer-tor");
      expect([...places(trace, "bind")]).toEqual([]);
      for (const call of ["sendto", "sendmsg", "sendmmsg"]) {
        expect([...places(trace, call)]).toEqual([]);
      }
      expect(trace).not.toContain("SOCK_DGRAM");
      expect(trace).not.toContain("io_uring_setup");
    },
    120_000,
  );
});
