import { afterEach, describe, expect, test } from "bun:test";
import { moneroSchedule } from "../../lib/padding/schedule.ts";
import { RelayError } from "../../lib/relay/error.ts";
import { BODY_BYTES_MAX, RpcServer } from "../../lib/relay/rpc.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { answerOn, endNodes, RpcNode } from "./rpc-node.ts";
import { hexOf, idOf } from "./transactions.ts";

afterEach(endNodes);

const PATHS = [
  "/send_raw_transaction",
  "/sendrawtransaction",
  "/get_transaction_pool_hashes",
  "/get_height",
  "/get_info",
  "/json_rpc",
  "/status",
];

/** A request with any headers. */
function request(path: string, headers: readonly string[], body = "", method = "POST"): string {
  const lines = [`${method} ${path} HTTP/1.1`, ...headers, `Content-Length: ${body.length}`];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

const submission = JSON.stringify({ tx_as_hex: hexOf(0) });

describe("web pages", () => {
  test.each(PATHS)("%s refuses what a page of another origin sends", async (path) => {
    const node = await RpcNode.start();
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:8080", ""]) {
      const { status, head } = await node.raw(
        request(path, ["Host: 127.0.0.1", `Origin: ${origin}`], submission),
      );
      expect(status).toBe(403);
      expect(head).not.toMatch(/access-control/i);
    }
    expect(node.store.transactions(5_000)).toEqual([]);
  });

  test("a name that was rebound to this machine is not this machine's", async () => {
    const node = await RpcNode.start();
    for (const host of [
      "evil.example",
      "evil.example:18081",
      "127.0.0.1.evil.example",
      "10.0.0.1",
    ]) {
      const { status, body } = await node.raw(request("/status", [`Host: ${host}`], "", "GET"));
      expect([host, status]).toEqual([host, 403]);
      expect(String(body["error"])).toContain("use 127.0.0.1");
    }
  });

  test("this machine's own names are", async () => {
    const node = await RpcNode.start();
    const { port } = node.rpc;
    for (const host of [
      "127.0.0.1",
      `127.0.0.1:${port}`,
      "localhost",
      `localhost:${port}`,
      "[::1]:1",
    ]) {
      const { status } = await node.raw(request("/status", [`Host: ${host}`], "", "GET"));
      expect([host, status]).toEqual([host, 200]);
    }
  });

  test("no answer allows another origin to read it", async () => {
    const node = await RpcNode.start();
    const { head } = await node.raw(
      request("/status", ["Host: 127.0.0.1", "Origin: http://a.example"], "", "OPTIONS"),
    );
    expect(head).not.toMatch(/access-control/i);
  });
});

describe("bodies", () => {
  test.each([
    ["{", "not JSON"],
    ["nonsense", "not JSON"],
    ['{"tx_as_hex": "00"', "not JSON"],
    ["[]", "not a JSON object"],
    ["null", "not a JSON object"],
    ["7", "not a JSON object"],
    ['"text"', "not a JSON object"],
  ])("%p is refused", async (body, words) => {
    const node = await RpcNode.start();
    for (const path of ["/send_raw_transaction", "/json_rpc"]) {
      const answer = await node.post(path, body);
      expect(answer.status).toBe(400);
      expect(String(answer.body["error"])).toContain(words);
    }
  });

  test("a nesting that would break a parser breaks nothing", async () => {
    const node = await RpcNode.start();
    const { status } = await node.post("/send_raw_transaction", "[".repeat(500_000));
    expect(status).toBe(400);
    const deep = `{"tx_as_hex":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`;
    expect([200, 400]).toContain((await node.post("/send_raw_transaction", deep)).status);
    expect((await node.get("/status")).status).toBe(200);
  });

  test("a key that every object has is none", async () => {
    const node = await RpcNode.start();
    const body = `{"__proto__":{"tx_as_hex":"${hexOf(0)}","do_not_relay":true}}`;
    expect((await node.post("/send_raw_transaction", body)).body["status"]).toBe("Failed");
  });

  test("one byte too many is 413, and the connection ends", async () => {
    const node = await RpcNode.start();
    const { status, head, body } = await node.raw(
      request("/send_raw_transaction", ["Host: 127.0.0.1"], " ".repeat(BODY_BYTES_MAX + 1)),
    );
    expect(status).toBe(413);
    expect(head).toMatch(/connection: close/i);
    expect(String(body["error"])).toContain(String(BODY_BYTES_MAX));
    const fits = `${submission}${" ".repeat(BODY_BYTES_MAX - submission.length)}`;
    expect((await node.post("/send_raw_transaction", fits)).body["status"]).toBe("OK");
  });

  test("one that never ends, in chunks, is cut off", async () => {
    const node = await RpcNode.start();
    const socket = await node.socket();
    socket.write(
      "POST /send_raw_transaction HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const answer = answerOn(socket);
    const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`;
    const writing = setInterval(() => socket.writable && socket.write(chunk), 1);
    try {
      expect((await answer).status).toBe(413);
    } finally {
      clearInterval(writing);
    }
  });

  test("a slow one is given up after 30 s, and one that is split in many parts is not", async () => {
    const clock = new VirtualClock();
    const node = await RpcNode.start(undefined, clock);
    const slow = await node.socket();
    slow.write(request("/send_raw_transaction", ["Host: 127.0.0.1"], submission).slice(0, -10));
    const answer = answerOn(slow);
    while (clock.nextTimerAt() === undefined) await Bun.sleep(1);
    clock.advance(29_999);
    expect(clock.nextTimerAt()).toBe(30_000);
    clock.advance(1);
    expect((await answer).status).toBe(413);
    expect(node.store.transactions(5_000)).toEqual([]);

    const split = await node.socket();
    const whole = request("/send_raw_transaction", ["Host: 127.0.0.1"], submission);
    for (let at = 0; at < whole.length; at += 97) split.write(whole.slice(at, at + 97));
    expect((await answerOn(split)).body).toMatchObject({ anonctl: { id: idOf(0) } });
    // Its timer is gone: nothing keeps the process, and nothing fires later.
    expect(clock.nextTimerAt()).toBeUndefined();
  });

  test("a wallet that hangs up in the middle leaves nothing behind", async () => {
    const clock = new VirtualClock();
    const node = await RpcNode.start(undefined, clock);
    const socket = await node.socket();
    socket.write(request("/send_raw_transaction", ["Host: 127.0.0.1"], submission).slice(0, -10));
    while (clock.nextTimerAt() === undefined) await Bun.sleep(1);
    socket.destroy();
    while (clock.nextTimerAt() !== undefined) await Bun.sleep(1);
    expect(node.store.transactions(5_000)).toEqual([]);
    expect((await node.get("/status")).status).toBe(200);
  });
});

describe("requests", () => {
  test("a path that there is not names those that there are", async () => {
    const node = await RpcNode.start();
    for (const path of ["/", "/get_block", "/send_raw_transaction/", "/STATUS"]) {
      const { status, body } = await node.get(path);
      expect([path, status]).toEqual([path, 404]);
      expect(String(body["error"])).toContain("/send_raw_transaction");
    }
  });

  test("a transaction in a GET request is refused: links can be planted", async () => {
    const node = await RpcNode.start();
    for (const path of ["/send_raw_transaction", `/sendrawtransaction?tx_as_hex=${hexOf(0)}`]) {
      expect((await node.get(path)).status).toBe(405);
    }
    expect(node.store.transactions(5_000)).toEqual([]);
  });

  test("what is not HTTP does no harm", async () => {
    const node = await RpcNode.start();
    for (const words of ["\0\0\0\0", "GARBAGE\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"]) {
      const socket = await node.socket();
      socket.write(words);
    }
    expect((await node.get("/status")).status).toBe(200);
  });

  test("one connection carries many requests", async () => {
    const node = await RpcNode.start();
    const socket = await node.socket();
    for (let count = 0; count < 20; count++) {
      socket.write(request("/send_raw_transaction", ["Host: 127.0.0.1"], submission));
    }
    let text = "";
    for await (const part of socket) {
      text += String(part);
      if (text.split("HTTP/1.1 200").length > 20) break;
    }
    expect(text.match(/"known":true/g)).toHaveLength(19);
    expect(node.store.transactions(5_000)).toHaveLength(1);
  });

  test("a hundred at a time are answered", async () => {
    const node = await RpcNode.start();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => node.send(hexOf(index % 16))),
    );
    expect(answers.every(({ body }) => body["status"] === "OK")).toBe(true);
    expect(node.store.transactions(5_000)).toHaveLength(16);
  });
});

describe("listening", () => {
  test("on a port that is taken says which, and what to do", async () => {
    const node = await RpcNode.start();
    const { port } = node.rpc;
    const again = RpcServer.listen({
      ...{ host: "127.0.0.1", port, driver: node.driver, network: "regtest" },
      ...{ schedule: moneroSchedule, clock: realClock },
    });
    const error = await again.then(
      () => undefined,
      (fault: unknown) => fault,
    );
    expect(error).toBeInstanceOf(RelayError);
    expect(error).toMatchObject({ code: "listen-failed", where: "local" });
    expect(String(error)).toContain(`127.0.0.1:${port}`);
    expect(String(error)).toContain("--rpc-bind-port");
  });
});

describe("what must not stop the node", () => {
  test("an id nested deeper than can be printed comes back as 0", async () => {
    const node = await RpcNode.start();
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const body = `{"id":${deep},"method":"get_info"}`;
    for (let time = 0; time < 3; time++) {
      const { status } = await node.raw(request("/json_rpc", ["Host: 127.0.0.1"], body));
      expect([200, 400]).toContain(status);
    }
    const { status } = await node.raw(request("/get_height", ["Host: 127.0.0.1"]));
    expect(status).toBe(200);
  });
});
