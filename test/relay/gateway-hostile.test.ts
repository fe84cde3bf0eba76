import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { alwaysOk, endDaemons, type FakeAnswer, FakeDaemon, okAnswer } from "./fake-daemon.ts";
import { nodeWithGateway } from "./gateway-node.ts";
import { endNodes, type RpcNode } from "./rpc-node.ts";
import { hexOf } from "./transactions.ts";

afterEach(() => {
  endNodes();
  endDaemons();
});

const REQUEST = "GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const OK = "HTTP/1.1 200 Ok\r\n";

async function nodeWith(answer: FakeAnswer): Promise<RpcNode> {
  return await nodeWithGateway({ daemon: await FakeDaemon.start(answer) });
}

const writes =
  (text: string): FakeAnswer =>
  ({ socket }) => {
    socket.end(text);
  };

describe("a daemon that does not keep to HTTP", () => {
  test.each([
    ["nothing at all", "", "without an answer"],
    ["words", "hello\r\n\r\n", "status line"],
    ["another protocol", "SSH-2.0-OpenSSH_9\r\n", "status line"],
    ["bytes without end", "\x00\xff".repeat(5_000), "8192 bytes"],
    ["10,000 bytes of one header", `${OK}X: ${"a".repeat(10_000)}\r\n\r\n`, "8192 bytes"],
    ["10,000 bytes of headers", `${OK}${"X: aaaaaaaa\r\n".repeat(800)}\r\n`, "bytes"],
    ["half a head", `${OK}Content-Le`, "in the middle"],
    ["two lengths", `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nab`, "content length"],
    ["a negative length", `${OK}Content-Length: -1\r\n\r\n`, "content length"],
    ["an endless length", `${OK}Content-Length: 99999999999999999999\r\n\r\n`, "content length"],
    [
      "length and chunks",
      `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
      "more than one way",
    ],
    ["an unknown coding", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`, "unknown one"],
    ["a header that is none", `${OK}no colon\r\n\r\n`, "header that is none"],
    ["a folded header", `${OK}A: b\r\n c\r\n\r\n`, "header that is none"],
    ["bare line feeds", "HTTP/1.1 200 Ok\nContent-Length: 0\n\n", "CR LF"],
    ["a switch of protocols", "HTTP/1.1 101 Switching\r\n\r\n", "no final status"],
    ["interim answers without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(9), "no final status"],
    [
      "a redirection",
      "HTTP/1.1 302 Found\r\nLocation: http://a/\r\nContent-Length: 0\r\n\r\n",
      "302",
    ],
  ])("%s is an error with a reason", async (_, text, words) => {
    const node = await nodeWith(writes(text));
    const { status, body } = await node.get("/get_info");
    expect(status).toBe(502);
    expect(body).toEqual({ status: "Failed", error: expect.stringContaining(words) });
    expect((await node.get("/status")).body["daemon"]).toMatchObject({ failures: 1 });
    expect((await node.send(hexOf(0))).body["status"]).toBe("OK");
  });

  test.each([
    ["half its length", `${OK}Content-Length: 9\r\n\r\n1234`],
    ["a chunk too short", `${OK}Transfer-Encoding: chunked\r\n\r\n9\r\n1234`],
    ["a chunk too long", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\n1234\r\n0\r\n\r\n`],
    ["a size that is none", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\nzz\r\n`],
    ["a size too large", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\nfffffffff\r\n`],
    [
      "a size line without end",
      `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n1;${"a".repeat(9_000)}`,
    ],
    ["no last chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n`],
  ])("%s ends the wallet's connection: it must not take it for the whole", async (_, text) => {
    const node = await nodeWith(writes(text));
    const socket = await node.socket();
    socket.write(REQUEST);
    let got = "";
    for await (const part of socket) got += String(part);
    expect(got).not.toMatch(/\r\n0\r\n\r\n$/);
    const length = /content-length: (\d+)/i.exec(got)?.[1];
    const bodyBytes = got.length - got.indexOf("\r\n\r\n") - 4;
    if (length !== undefined) expect(bodyBytes).toBeLessThan(Number(length));
    expect((await node.get("/status")).body["daemon"]).toMatchObject({ failures: 1 });
  });

  test.each([
    [
      "chunks",
      `${OK}Transfer-Encoding: chunked\r\n\r\n9;a=b\r\n{"a":"bc"\r\n1\r\n}\r\n0\r\nT: x\r\n\r\n`,
    ],
    ["its end for the length", `${OK}\r\n{"a":"bc"}`],
    ["HTTP/1.0", 'HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n{"a":"bc"}'],
    [
      "an interim answer first",
      `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 10\r\n\r\n{"a":"bc"}`,
    ],
  ])("%s is good HTTP, in any pieces", async (_, text) => {
    const node = await nodeWith(({ socket }) => {
      const bytes = [...text];
      const writeOn = (): void => {
        const byte = bytes.shift();
        if (byte === undefined) socket.end();
        else socket.write(byte, () => setImmediate(writeOn));
      };
      writeOn();
    });
    const answer = await node.get("/get_info");
    expect([answer.status, answer.body]).toEqual([200, { a: "bc" }]);
  });

  test("bytes behind an answer are no answer to the next request", async () => {
    const daemon = await FakeDaemon.start(({ socket, connection }) => {
      const stray = connection === 0 ? okAnswer({ stray: true }) : "";
      socket.write(okAnswer({ connection }) + stray);
    });
    const node = await nodeWithGateway({ daemon });
    const socket = await node.socket();
    for (const connection of [0, 1]) {
      socket.write(REQUEST);
      while (daemon.requests.length === connection) await Bun.sleep(1);
      await Bun.sleep(20);
    }
    expect(daemon.requests.map(({ connection }) => connection)).toEqual([0, 1]);
  });

  test("a page is not handed on as one", async () => {
    const node = await nodeWith(
      writes(`${OK}Content-Type: text/html\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}`),
    );
    const { head } = await node.raw(REQUEST);
    expect(head).toMatch(/content-type: application\/json/i);
    expect(head).not.toMatch(/html|cookie/i);
  });
});

describe("a daemon that is slow, or gone", () => {
  async function untilTimer(clock: VirtualClock): Promise<void> {
    while (clock.nextTimerAt() === undefined) await Bun.sleep(1);
    await Bun.sleep(20);
  }

  test("one that says nothing is given up in time for the wallet to hear it", async () => {
    const clock = new VirtualClock();
    const daemon = await FakeDaemon.start(() => undefined);
    const node = await nodeWithGateway({ daemon, clock });
    const answer = node.get("/get_info");
    while (daemon.requests.length === 0) await Bun.sleep(1);
    await untilTimer(clock);
    clock.advance(109_000);
    await Bun.sleep(20);
    expect((await node.get("/status")).body["daemon"]).toMatchObject({ failures: 0 });
    clock.advance(2_000);
    expect(await answer).toMatchObject({ status: 504, body: { status: "Failed" } });
    while (daemon.sockets[0]?.destroyed === false) await Bun.sleep(1);
  });

  test("one that stops in the middle of a body is given up after a minute", async () => {
    const clock = new VirtualClock();
    const daemon = await FakeDaemon.start(({ socket }) => {
      socket.write(`${OK}Content-Length: 10\r\n\r\n1234`);
    });
    const node = await nodeWithGateway({ daemon, clock });
    const socket = await node.socket();
    socket.write(REQUEST);
    const ended = (async () => {
      let got = "";
      for await (const part of socket) got += String(part);
      return got;
    })();
    while (daemon.requests.length === 0) await Bun.sleep(1);
    await Bun.sleep(50);
    await untilTimer(clock);
    clock.advance(61_000);
    expect(await ended).toEndWith("\r\n\r\n1234");
  });

  test("a stream without requests is closed after five minutes", async () => {
    const clock = new VirtualClock();
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon, clock });
    const socket = await node.socket();
    socket.write(REQUEST);
    await once(socket, "data");
    await untilTimer(clock);
    clock.advance(299_000);
    await Bun.sleep(20);
    expect(daemon.sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
    clock.advance(2_000);
    while (daemon.sockets[0]?.destroyed === false) await Bun.sleep(1);
    socket.write(REQUEST);
    while (daemon.requests.length < 2) await Bun.sleep(1);
    expect(daemon.requests[1]?.connection).toBe(1);
  });

  test("one that is not there is told at once, and found when it comes back", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const { port } = daemon;
    const node = await nodeWithGateway({ daemon });
    daemon.stop();
    const { status, body } = await node.get("/get_info");
    expect(status).toBe(502);
    expect(String(body["error"])).toContain("can't be asked");
    expect((await node.get("/status")).body["daemon"]).toMatchObject({
      daemon: `127.0.0.1:${port}`,
      trouble: expect.any(String),
    });
  });

  test("a wallet that hangs up takes its stream with it", async () => {
    const daemon = await FakeDaemon.start(() => undefined);
    const node = await nodeWithGateway({ daemon });
    const socket = await node.socket();
    socket.write(REQUEST);
    while (daemon.requests.length === 0) await Bun.sleep(1);
    socket.destroy();
    while (daemon.sockets[0]?.destroyed === false) await Bun.sleep(1);
    expect((await node.get("/status")).body["daemon"]).toMatchObject({ wallets: 0 });
  });

  test("closing the node ends what is under way", async () => {
    const daemon = await FakeDaemon.start(() => undefined);
    const node = await nodeWithGateway({ daemon });
    const socket = await node.socket();
    socket.write(REQUEST);
    while (daemon.requests.length === 0) await Bun.sleep(1);
    node.rpc.close();
    while (daemon.sockets[0]?.destroyed === false) await Bun.sleep(1);
  });
});

describe("much", () => {
  const TOTAL = 400_000_000;
  const PIECE = Buffer.alloc(65_536, 7);

  /** Sends without end, as fast as it is read. */
  const flood: FakeAnswer = ({ socket }) => {
    socket.write(`${OK}Content-Length: ${TOTAL}\r\n\r\n`);
    let left = TOTAL;
    const writeOn = (): void => {
      while (left > 0 && !socket.destroyed) {
        const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
        left -= piece.length;
        if (!socket.write(piece)) {
          socket.once("drain", writeOn);
          return;
        }
      }
    };
    writeOn();
  };

  test("400 MB pass, and a wallet that does not read holds the daemon up", async () => {
    const node = await nodeWith(flood);
    const socket = await node.socket();
    const before = process.memoryUsage().rss;
    socket.pause();
    socket.write(REQUEST);
    await Bun.sleep(1_500);
    const { body } = await node.get("/status");
    const { bytes_in } = body["daemon"] as { bytes_in: number };
    expect(bytes_in).toBeGreaterThan(0);
    expect(bytes_in).toBeLessThan(30_000_000);
    let got = 0;
    let most = 0;
    await new Promise<void>((resolve) => {
      socket.on("data", (part: Uint8Array) => {
        got += part.length;
        most = Math.max(most, process.memoryUsage().rss - before);
        if (got >= TOTAL) resolve();
      });
      socket.resume();
    });
    // Daemon, node and wallet are all in this process.
    expect(most).toBeLessThan(200_000_000);
  }, 60_000);

  test("a request's body of over a mebibyte is refused, and not passed on", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const answer = await node.post("/get_outs", JSON.stringify({ a: "x".repeat(1_048_577) }));
    expect(answer.status).toBe(413);
    expect(daemon.sockets).toEqual([]);
    const fits = JSON.stringify({ a: "x".repeat(1_048_000) });
    expect((await node.post("/get_outs", fits)).status).toBe(200);
    expect(daemon.requests[0]?.body.length).toBe(fits.length);
  });

  test.each(["{", "[]", "7", "null", '"a"'])("the JSON %p is refused here", async (text) => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    for (const path of ["/json_rpc", "/get_transactions", "/get_outs"]) {
      expect([path, (await node.post(path, text)).status]).toEqual([path, 400]);
    }
    expect((await node.post("/getblocks.bin", text)).status).toBe(400);
    expect(daemon.sockets).toEqual([]);
  });

  test("web pages are refused, whatever they ask", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    for (const line of ["Origin: https://evil.example", "Host: evil.example"]) {
      const host = line.startsWith("Host") ? "" : "Host: 127.0.0.1\r\n";
      const { status } = await node.raw(`GET /get_info HTTP/1.1\r\n${host}${line}\r\n\r\n`);
      expect(status).toBe(403);
    }
    const put = await node.raw("DELETE /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    expect(put.status).toBe(405);
    expect(daemon.sockets).toEqual([]);
  });

  test("fifty wallets at once", async () => {
    const daemon = await FakeDaemon.start(({ socket, body }) =>
      socket.write(okAnswer({ got: body.length })),
    );
    const node = await nodeWithGateway({ daemon });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => node.post("/get_outs", { a: "x".repeat(index) })),
    );
    expect(answers.map(({ body }) => body["got"])).toEqual(
      Array.from({ length: 50 }, (_, index) => index + '{"a":""}'.length),
    );
  });
});
