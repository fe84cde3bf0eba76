import { afterAll, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onionName } from "../../lib/address/onion.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";

const { describe, test } = requireDaemon("strace");

/** Every system call with which a process can send something to another, or ask to. */
const CALLS = "connect,sendto,sendmsg,sendmmsg,bind,socket,io_uring_setup";
const PEER = `${onionName(new Uint8Array(32).fill(7))}:18083`;

/** Addresses of internet sockets in a trace, by call. */
function internetAddresses(trace: string, call: string): string[] {
  const found: string[] = [];
  for (const line of trace.split("\n")) {
    if (!line.includes(`${call}(`)) continue;
    const port = /sin6?_port=htons\((\d+)\)/.exec(line)?.[1];
    const host = /inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/.exec(line);
    if (port !== undefined) found.push(`${host?.[1] ?? host?.[2] ?? "?"}:${port}`);
  }
  return found;
}

describe("Every connection that the process makes, as the kernel saw it", () => {
  const scratch = mkdtempSync(join(tmpdir(), "anonctl-trace-"));
  const servers: Server[] = [];

  afterAll(async () => {
    await endNodes();
    for (const server of servers) server.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  function traced(name: string): { file: string; wrapper: string[] } {
    const file = join(scratch, name);
    return { file, wrapper: ["strace", "-f", "-qq", "-e", `trace=${CALLS}`, "-o", file] };
  }

  test("Without a peer nothing leaves but what goes to the proxy", async () => {
    // A proxy that takes connections and refuses every request: general failure.
    let asked = 0;
    const proxy = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        asked++;
        socket.end(Uint8Array.of(5, 0xff));
      });
    });
    servers.push(proxy);
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const place = proxy.address();
    const port = typeof place === "object" && place !== null ? place.port : 0;
    const { file, wrapper } = traced("refusing");
    const node = await NodeProcess.start({
      wrapper,
      arguments: ["--tx-proxy", `tor,127.0.0.1:${port}`, "--add-exclusive-node", PEER],
    });
    const [transaction] = regtestTransactions;
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: transaction?.blob });
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
    await until(() => (asked >= 3 ? true : undefined), 30_000);
    const { transactions } = await node.status();
    expect(transactions).toMatchObject([{ delivery: "held", sends: 0 }]);
    await node.kill("SIGTERM");

    const trace = readFileSync(file, "utf8");
    // The recording must have seen the proxy, or it has seen nothing.
    const connects = internetAddresses(trace, "connect");
    expect(connects.length).toBeGreaterThanOrEqual(3);
    expect([...new Set(connects)]).toEqual([`127.0.0.1:${port}`]);
    for (const call of ["sendto", "sendmsg", "sendmmsg"]) {
      expect(internetAddresses(trace, call)).toEqual([]);
    }
    expect(trace).not.toContain("SOCK_DGRAM");
    expect(trace).not.toContain("io_uring_setup");
    for (const bound of internetAddresses(trace, "bind")) expect(bound).toStartWith("127.0.0.1:");
  }, 60_000);

  test("The recording would show a connection elsewhere", async () => {
    const { file, wrapper } = traced("control");
    const elsewhere = createServer();
    servers.push(elsewhere);
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.2", resolve));
    const place = elsewhere.address();
    const port = typeof place === "object" && place !== null ? place.port : 0;
    const script = `require("node:net").connect(${port}, "127.0.0.2").on("connect", () => process.exit())`;
    const child = Bun.spawn([...wrapper, process.execPath, "-e", script]);
    await child.exited;
    const connects = internetAddresses(readFileSync(file, "utf8"), "connect");
    expect(connects).toContain(`127.0.0.2:${port}`);
  }, 30_000);
});
