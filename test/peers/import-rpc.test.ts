import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { ImportError } from "../../lib/peers/import-error.ts";
import { askMonerod, HttpAnswer } from "../../lib/peers/import-rpc.ts";

const body = readFileSync(join(import.meta.dir, "..", "vectors", "peers", "get_peer_list.json"));
const head = `HTTP/1.1 200 Ok\r\nServer: Epee-based\r\nContent-Length: ${body.length}\r\nContent-Type: application/json\r\n\r\n`;
const whole = Buffer.concat([Buffer.from(head), body]);

/** The other end of a stream: what was asked, and what it answers. */
function peer(answer: (asked: string, stream: Duplex) => void): Duplex {
  let asked = "";
  const stream: Duplex = new Duplex({
    read: () => undefined,
    write: (part, _encoding, done) => {
      asked += String(part);
      done();
      if (asked.includes("}")) answer(asked, stream);
    },
  });
  return stream;
}

const options = (question: "peer-list" | "public-nodes" = "peer-list") => ({
  host: "127.0.0.1:18081",
  question,
  signal: new AbortController().signal,
});

describe("asking monerod's RPC", () => {
  test("the answer comes whole, in whatever parts, and the stream is let go", async () => {
    for (const length of [1, 7, 1_000, whole.length]) {
      let asked = "";
      const stream = peer((text, self) => {
        asked = text;
        for (let at = 0; at < whole.length; at += length)
          self.push(whole.subarray(at, at + length));
      });
      const answer = await askMonerod(stream, options());
      expect(Buffer.from(answer).equals(body)).toBe(true);
      expect(stream.destroyed).toBe(true);
      expect(asked).toStartWith("POST /get_peer_list HTTP/1.1\r\nHost: 127.0.0.1:18081\r\n");
      expect(asked).toEndWith('\r\nContent-Length: 21\r\n\r\n{"public_only":false}');
    }
  });

  test("its public nodes are asked for by their own name", async () => {
    let asked = "";
    const stream = peer((text, self) => {
      asked = text;
      self.push(whole);
    });
    await askMonerod(stream, options("public-nodes"));
    expect(asked).toStartWith("POST /get_public_nodes HTTP/1.1\r\n");
  });

  test.each<[string, string, string]>([
    ["a restricted RPC", "HTTP/1.1 404 Not found\r\nContent-Length: 0\r\n\r\n", "restricted"],
    ["a login", "HTTP/1.1 401 Unauthorized\r\n\r\n", "login"],
    ["another failure", "HTTP/1.1 500 Oh\r\n\r\n", "status 500"],
    ["no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"],
    ["no length", "HTTP/1.1 200 Ok\r\n\r\n", "no length"],
    ["a length too great", "HTTP/1.1 200 Ok\r\nContent-Length: 99999999\r\n\r\n", "no length"],
    ["a head without end", `HTTP/1.1 200 Ok\r\nX: ${"x".repeat(20_000)}`, "no end"],
  ])("%s", async (_name, answer, words) => {
    const stream = peer((_asked, self) => self.push(answer));
    const failure = await askMonerod(stream, options()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ImportError);
    expect(failure).toMatchObject({ code: "rpc-failed", where: "local" });
    expect(String(failure)).toContain(words);
    expect(stream.destroyed).toBe(true);
  });

  test.each<[string, (stream: Duplex) => unknown]>([
    ["it ends in the middle", (stream) => [stream.push(whole.subarray(0, 900)), stream.push(null)]],
    ["it breaks", (stream) => stream.destroy(new Error("ECONNRESET"))],
  ])("%s", async (_name, answer) => {
    const stream = peer((_asked, self) => answer(self));
    await expect(askMonerod(stream, options())).rejects.toMatchObject({ code: "rpc-failed" });
  });

  test("it is given up when it is called off", async () => {
    const abort = new AbortController();
    const stream = peer(() => abort.abort());
    const asked = askMonerod(stream, { ...options(), signal: abort.signal });
    await expect(asked).rejects.toMatchObject({ code: "rpc-failed" });
    expect(stream.destroyed).toBe(true);
  });

  test("what comes behind the body is not of it", () => {
    const reader = new HttpAnswer("/get_peer_list");
    const answer = reader.take(Buffer.concat([whole, Buffer.from("HTTP/1.1 200 Ok")]));
    expect(answer?.length).toBe(body.length);
  });
});
