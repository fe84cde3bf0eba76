import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { repository } from "../house/tree.ts";

interface Ended {
  readonly code: unknown;
  readonly lines: readonly string[];
  readonly errors: string;
}

/** Runs an example as the README says, with Bun. */
async function run(...words: readonly string[]): Promise<Ended> {
  const [name = "", ...options] = words;
  const child = spawn(process.execPath, [join("examples", name), ...options], { cwd: repository });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    output += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    errors += part;
  });
  const [code] = await once(child, "close");
  return { code, lines: output.split("\n"), errors };
}

describe("levin_frames.ts", () => {
  test("reads a recorded handshake, and a transaction in fragments between noise", async () => {
    const { code, lines, errors } = await run("levin_frames.ts");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(lines).toContain("  network  mainnet");
    expect(lines).toContain("  height   141, last block version 16");
    expect(lines).toContain("  written again, byte for byte the same: true");
    const frames = lines.filter((line) => line.startsWith("  3072 bytes: "));
    expect(frames.map((line) => line.slice(14).split(":")[0])).toEqual([
      "noise",
      "a fragment; its message is not whole yet",
      "noise",
      "the last of 2 fragments",
    ]);
    // The id is the one that monerod itself gave.
    expect(frames.at(-1)).toEndWith(
      "ac9b6b4f0431a2fc2ed1b73b61396ff9015bf8744e9b2ac90d9455fad4d7f822",
    );
  });
});

describe("noise_channel.ts", () => {
  test("shows an hour whose frames leave at the same moments with and without payload", async () => {
    const { code, lines, errors } = await run("noise_channel.ts");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    const frames = Number(/one hour: (\d+) frames/.exec(lines[0] ?? "")?.[1]);
    expect(frames).toBeGreaterThan(240);
    expect(frames).toBeLessThan(360);
    const bars = lines.filter((line) => /^ +\d+\.\d s {2}#+$/.test(line));
    expect(bars.map((line) => Number.parseFloat(line))).toEqual([
      10, 10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14, 14.5,
    ]);
    expect(bars.join("").replaceAll(/[^#]/g, "")).toHaveLength(frames - 1);
    expect(lines.filter((line) => line.includes("have left whole"))).toHaveLength(2);
    expect(lines.join("\n")).toContain("frames at the same moments: true");
  });

  test("takes another schedule, and says what is wrong with a bad one", async () => {
    const good = await run("noise_channel.ts", "poisson:12.5s");
    expect(good.code).toBe(0);
    expect(good.lines[0]).toStartWith("poisson:12.5s, one hour: ");
    const bad = await run("noise_channel.ts", "weekly");
    expect(bad.code).toBe(2);
    expect(bad.errors).toContain('"weekly"');
  });
});

describe("peer_book.ts", () => {
  test("takes a list, refuses one that mixes zones, and hands nobody out twice", async () => {
    const { code, lines, errors } = await run("peer_book.ts");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(lines.slice(0, -1)).toEqual([
      "a list: 12 to the tor book, 1 to the public one",
      "  line 15: node.example.org:18080: It is a DNS name, which somebody would have to be asked for: give its IP.",
      `a peer's list: It sent "203.0.113.9" in a peer list of the tor zone.`,
      "12 dialed: 8 white, 4 gray, 4 left alone for 1 h",
      // Those that answered, and our own address among them.
      "told the first time: 9",
      "told the second time: 0",
    ]);
  });
});

describe("socks_through_proxy.ts", () => {
  test("goes through a proxy of its own to a local service, and shows a refusal", async () => {
    const { code, lines, errors } = await run("socks_through_proxy.ts");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(lines[0]).toBe("proxy: asked for greeter.example:7, with credentials");
    expect(lines[1]).toBe('greeter.example:7: "hello\\n"');
    expect(lines[3]).toStartWith("nobody.example:7: host-unreachable (where: network): ");
  });

  test("asks the proxy that is given, with the name and with credentials", async () => {
    const asked: string[] = [];
    const server = createServer((socket) => {
      socket.once("data", (greeting) => {
        asked.push(Buffer.from(greeting).toString("hex"));
        socket.end(Buffer.from("0502", "hex"));
        socket.once("data", (credentials) => asked.push(String(credentials)));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const { code, lines } = await run("socks_through_proxy.ts", `127.0.0.1:${port}`, "a.test:1");
      expect(code).toBe(0);
      expect(lines[0]).toStartWith("a.test:1: proxy-closed (where: local): ");
      // One method is offered, user name and password: no anonymous stream is taken instead.
      expect(asked[0]).toBe("050102");
      expect(asked[1]).toEndWith("visit-a.test:1");
    } finally {
      server.close();
    }
  });

  test("wants to know whom to visit", async () => {
    const { code, errors } = await run("socks_through_proxy.ts", "127.0.0.1:9050");
    expect(code).toBe(2);
    expect(errors).toContain("NAME.onion:80");
  });
});
