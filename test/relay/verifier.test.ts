import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import type { Notice } from "../../lib/relay/event.ts";
import { verifierNames } from "../../lib/relay/gateway-option.ts";
import { readDaemonPlace } from "../../lib/relay/gateway-place.ts";
import { QUESTIONS_MAX } from "../../lib/relay/verification-gate.ts";
import { QUESTION_MS_MAX, Verifier } from "../../lib/relay/verifier.ts";
import { type Clock, realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import {
  alwaysOk,
  endDaemons,
  type FakeAnswer,
  FakeDaemon,
  type FakeIdentity,
  okAnswer,
  pem,
} from "./fake-daemon.ts";
import { blobOf, hexOf } from "./transactions.ts";

/** Signed by an authority that this machine does not know, for 127.0.0.1. */
const here: FakeIdentity = { cert: pem("gateway-here.pem"), key: pem("gateway-here-key.pem") };
const verifiers: Verifier[] = [];

afterEach(() => {
  for (const verifier of verifiers.splice(0)) verifier.close();
  endDaemons();
});

/** How a test's verifier differs; `labels` takes the isolation label of each stream. */
interface Difference {
  readonly clock?: Clock;
  readonly labels?: string[];
  readonly scheme?: "http" | "https";
  readonly certificates?: readonly string[];
  /** Takes what the log is told. */
  readonly told?: Notice[];
}

/** One whose daemon is on loopback. */
function verifierOf(
  daemon: FakeDaemon,
  { clock = realClock, labels = [], scheme = "http", certificates, told = [] }: Difference = {},
): Verifier {
  const place = readDaemonPlace({
    url: `${scheme}://127.0.0.1:${daemon.port}`,
    defaultPort: 18_081,
    ...{ options: verifierNames, certificates },
  });
  const dial = async (label: string): Promise<ReturnType<typeof connect>> => {
    labels.push(label);
    const socket = connect({ host: "127.0.0.1", port: daemon.port });
    await once(socket, "connect");
    return socket;
  };
  const random = new SeededRandom(1);
  const verifier = new Verifier({
    place,
    dial,
    login: undefined,
    random,
    clock,
    notice: (one) => told.push(one),
  });
  verifiers.push(verifier);
  return verifier;
}

const says =
  (body: unknown, status?: string): FakeAnswer =>
  ({ socket }) => {
    socket.write(okAnswer(body, status));
  };

describe("A question", () => {
  test("is a wallet's to send and not to relay, with sanity checks", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    expect(await verifierOf(daemon).ask(blobOf(0), "tor")).toBe("good");
    expect(daemon.asked).toEqual(["POST /send_raw_transaction"]);
    const [request] = daemon.requests;
    expect(JSON.parse(String(request?.body))).toEqual({
      ...{ tx_as_hex: hexOf(0), do_not_relay: true, do_sanity_checks: true },
    });
    // Nothing tells what asks.
    expect([...(request?.headers.keys() ?? [])].sort()).toEqual([
      ...["content-length", "content-type", "host"],
    ]);
  });

  test("keeps its stream for the next, and takes another after a failure", async () => {
    const labels: string[] = [];
    const answers = ["OK", "OK", "BUSY", "OK"];
    const daemon = await FakeDaemon.start(({ socket }) => {
      socket.write(okAnswer({ status: answers.shift() }));
    });
    const verifier = verifierOf(daemon, { labels });
    const verdicts = [];
    for (let index = 0; index < 4; index++) verdicts.push(await verifier.ask(blobOf(index), "tor"));
    expect(verdicts).toEqual(["good", "good", undefined, "good"]);
    expect(daemon.requests.map(({ connection }) => connection)).toEqual([0, 0, 0, 1]);
    expect(labels).toEqual(["verify-1", "verify-2"]);
    expect(verifier.status).toMatchObject({ good: 3, unanswered: 1, trouble: null });
  });

  test("never takes the stream that another zone's opened, nor leaves it one", async () => {
    const labels: string[] = [];
    const daemon = await FakeDaemon.start(alwaysOk);
    const verifier = verifierOf(daemon, { labels });
    for (const zone of ["tor", "public", "tor", "i2p", "public"] as const) {
      expect(await verifier.ask(blobOf(0), zone)).toBe("good");
    }
    expect(daemon.requests.map(({ connection }) => connection)).toEqual([0, 1, 0, 2, 1]);
    expect(labels).toEqual(["verify-1", "verify-2", "verify-3"]);
  });

  test("is one of a few at once", async () => {
    const daemon = await FakeDaemon.start(() => undefined);
    const verifier = verifierOf(daemon);
    const open = Array.from({ length: QUESTIONS_MAX }, (_, index) =>
      verifier.ask(blobOf(index), "tor"),
    );
    expect(await verifier.ask(blobOf(9), "tor")).toBeUndefined();
    verifier.close();
    expect(await Promise.all(open)).toEqual(open.map(() => undefined));
    expect(await verifier.ask(blobOf(9), "tor")).toBeUndefined();
  });
});

describe("A verdict", () => {
  const failed = { status: "Failed", reason: "" };
  test.each<[string, unknown, string]>([
    ["new", { status: "OK", not_relayed: true, reason: "Not relayed" }, "good"],
    ["a bad signature", failed, "bad"],
    ["a bad input", { ...failed, invalid_input: true }, "bad"],
    ["a bad ring", { ...failed, low_mixin: true }, "bad"],
    ["more out than in", { ...failed, overspend: true }, "bad"],
    ["a double spend", { ...failed, double_spend: true }, "refused"],
    ["too low a fee", { ...failed, fee_too_low: true }, "refused"],
    ["an unlock time", { ...failed, nonzero_unlock_time: true }, "refused"],
    ["sanity", { ...failed, sanity_check_failed: true }, "refused"],
    ["a long extra", { ...failed, tx_extra_too_big: true }, "refused"],
  ])("on %s", async (_name, body, verdict) => {
    const daemon = await FakeDaemon.start(says(body));
    const verifier = verifierOf(daemon);
    expect<string | undefined>(await verifier.ask(blobOf(0), "tor")).toBe(verdict);
    expect(verifier.status).toMatchObject({ [verdict]: 1, unanswered: 0, trouble: null });
  });

  test.each<[string, FakeAnswer, string]>([
    ["a daemon that is busy", says({ status: "BUSY" }), "says BUSY"],
    ["one that wants money", says({ status: "PAYMENT REQUIRED\u001b[2J" }), "PAYMENT REQUIRED?[2J"],
    ["no daemon", says({ status: "OK" }, "404 Not Found"), "--verify-with is a monerod's RPC"],
    ["a list", says([]), "--verify-with is a monerod's RPC"],
    ["flags of another kind", says({ status: "Failed", double_spend: 1 }), "another form"],
    ["a redirection", says({ status: "OK" }, "302 Found"), "status 302"],
    ["a login", says({}, "401 Unauthorized"), "give --verify-login-file"],
    [
      "an answer without end",
      ({ socket }) => {
        socket.write(`HTTP/1.1 200 Ok\r\nContent-Length: 40000\r\n\r\n{"a":"${"x".repeat(30_000)}`);
      },
      "over 16384 bytes",
    ],
    ["a closed connection", ({ socket }) => void socket.destroy(), "without an answer"],
    [
      "half an answer",
      ({ socket }) => {
        socket.end('HTTP/1.1 200 Ok\r\nContent-Length: 100\r\n\r\n{"status":"OK"');
      },
      "in the middle of its answer",
    ],
    ["no HTTP", ({ socket }) => void socket.write("SSH-2.0-x\r\n"), "check that --verify-with"],
  ])("is none from %s", async (_name, answer, part) => {
    const daemon = await FakeDaemon.start(answer);
    const verifier = verifierOf(daemon);
    expect(await verifier.ask(blobOf(0), "tor")).toBeUndefined();
    expect(verifier.status.trouble).toContain(part);
    expect(verifier.status.trouble).not.toMatch(/--daemon|[^\x20-\x7e]/);
    expect(verifier.status).toMatchObject({ good: 0, refused: 0, bad: 0, unanswered: 1 });
  });

  test("is taken inside TLS from the daemon whose certificate was given, and from no other", async () => {
    const daemon = await FakeDaemon.start(alwaysOk, here);
    const scheme = "https" as const;
    const given = verifierOf(daemon, { scheme, certificates: [here.cert] });
    expect(await given.ask(blobOf(0), "tor")).toBe("good");
    expect(given.status.tls).toBe(true);
    const { length } = daemon.requests;
    const stranger = verifierOf(daemon, { scheme });
    expect(await stranger.ask(blobOf(0), "tor")).toBeUndefined();
    expect(stranger.status.trouble).toContain("give it with --verify-cert-file");
    expect(daemon.requests).toHaveLength(length);
    const open = verifierOf(await FakeDaemon.start(alwaysOk), { scheme });
    expect(await open.ask(blobOf(0), "tor")).toBeUndefined();
    expect(open.status.trouble).toContain("write http:// in --verify-with");
  });

  test("that is missing is told once, and its coming back; not again within ten minutes", async () => {
    const told: Notice[] = [];
    const answers = ["OK", "BUSY", "BUSY", "OK", "BUSY", "OK"];
    const daemon = await FakeDaemon.start(({ socket }) => {
      socket.write(okAnswer({ status: answers.shift() }));
    });
    const verifier = verifierOf(daemon, { told });
    for (let index = 0; index < 6; index++) await verifier.ask(blobOf(index), "tor");
    expect(told.map(({ level }) => level)).toEqual(["warning", "info"]);
    expect(told[0]?.text).toContain("gives no verdict");
    expect(told[0]?.text).toContain("BUSY");
    expect(told[1]?.text).toContain("gives verdicts again");
  });

  test("is none where nobody is there", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    daemon.stop();
    const verifier = verifierOf(daemon);
    expect(await verifier.ask(blobOf(0), "tor")).toBeUndefined();
    expect(verifier.status.unanswered).toBe(1);
  });

  test("is none from one that says a byte now and then, after its whole time", async () => {
    const clock = new VirtualClock();
    const text = okAnswer();
    let said = 0;
    let talk = (): void => undefined;
    const daemon = await FakeDaemon.start(({ socket }) => {
      talk = () => void socket.write(text[said++] ?? "");
      talk();
    });
    const verifier = verifierOf(daemon, { clock });
    let verdict: unknown = "open";
    const done = verifier.ask(blobOf(0), "tor").then((value) => {
      verdict = value;
    });
    // A byte for each tenth of its time: never silent, and never done.
    for (let tenth = 0; tenth < 10; tenth++) {
      while (said <= tenth || clock.nextTimerAt() === undefined) await Bun.sleep(1);
      expect(verdict).toBe("open");
      clock.advance(QUESTION_MS_MAX / 10);
      talk();
    }
    await done;
    expect(verdict).toBeUndefined();
    expect(verifier.status.trouble).toContain("did not answer in time");
    expect(said).toBeLessThan(text.length / 2);
  });
});
