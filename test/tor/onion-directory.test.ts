import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../../lib/runtime/random.ts";
import {
  parsePublicKeyFile,
  parseSecretKeyFile,
  publicKeyFile,
  readOnionDirectory,
  secretKeyFile,
  writeOnionDirectory,
} from "../../lib/tor/onion-directory.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { rejection } from "../socks/loopback.ts";

const made: string[] = [];

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-onion-"));
  made.push(path);
  return path;
}

const random = new SeededRandom(11);
const key = OnionKey.generate(random);
const other = OnionKey.generate(random);

describe("tor's key files", () => {
  test("have tor's headers and lengths", () => {
    const secret = Buffer.from(secretKeyFile(key));
    expect(secret).toHaveLength(96);
    expect(secret.toString("latin1", 0, 32)).toBe("== ed25519v1-secret: type0 ==\0\0\0");
    const open = Buffer.from(publicKeyFile(key));
    expect(open).toHaveLength(64);
    expect(open.toString("latin1", 0, 32)).toBe("== ed25519v1-public: type0 ==\0\0\0");
  });

  test("come back", () => {
    expect(parseSecretKeyFile(secretKeyFile(key)).equals(key)).toBe(true);
    expect(parsePublicKeyFile(publicKeyFile(key))).toEqual(key.publicKey);
  });

  test.each([
    ["the public one for the secret one", () => parseSecretKeyFile(publicKeyFile(key))],
    ["the secret one for the public one", () => parsePublicKeyFile(secretKeyFile(key))],
    ["a short one", () => parseSecretKeyFile(secretKeyFile(key).subarray(0, 95))],
    ["a long one", () => parseSecretKeyFile(new Uint8Array(97))],
    ["an empty one", () => parseSecretKeyFile(new Uint8Array(0))],
  ])("%s is refused", (_, parse) => {
    expect(parse).toThrow(expect.objectContaining({ code: "key-invalid" }));
  });
});

describe("a HiddenServiceDir", () => {
  test("comes back, and is for its owner alone", async () => {
    const directory = join(folder(), "new", "service");
    await writeOnionDirectory(directory, key, random);
    expect((await readOnionDirectory(directory)).equals(key)).toBe(true);
    expect(readFileSync(join(directory, "hostname"), "utf8")).toBe(`${key.address}\n`);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const files = readdirSync(directory);
    expect(files.sort()).toEqual(["hostname", "hs_ed25519_public_key", "hs_ed25519_secret_key"]);
    for (const file of files) expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
  });

  test("is written again with the same key, never with another", async () => {
    const directory = folder();
    await writeOnionDirectory(directory, key, random);
    await writeOnionDirectory(directory, key, random);
    const error = await rejection(writeOnionDirectory(directory, other, random));
    expect(error).toMatchObject({ code: "key-file" });
    expect((await readOnionDirectory(directory)).equals(key)).toBe(true);
  });

  test("that names another service is not taken", async () => {
    const directory = folder();
    await writeOnionDirectory(directory, key, random);
    writeFileSync(join(directory, "hostname"), `${other.address}\n`);
    expect(await rejection(readOnionDirectory(directory))).toMatchObject({
      code: "address-mismatch",
    });
    rmSync(join(directory, "hostname"));
    expect((await readOnionDirectory(directory)).address).toBe(key.address);
  });

  test("that is not there can't be read, one under a file not be written", async () => {
    const directory = folder();
    const absent = join(directory, "absent");
    expect(await rejection(readOnionDirectory(absent))).toMatchObject({ code: "key-file" });
    writeFileSync(absent, "");
    const error = await rejection(writeOnionDirectory(join(absent, "x"), key, random));
    expect(error).toMatchObject({ code: "key-file", where: "local" });
  });
});
