import { readFileSync } from "node:fs";
import { ManagedTor } from "../../lib/tor/managed-tor.ts";
import { checkPrivate } from "./private-torrc.ts";

/*
 * Starts a tor of a private network, whose lines stand in the file named first, prints its process
 * id, and lives until somebody ends it.
 */

const [file = "", dataDirectory = ""] = process.argv.slice(2);
const extraTorrc = readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "");
checkPrivate(extraTorrc);
const tor = await ManagedTor.start({ extraTorrc, dataDirectory });
process.stdout.write(`${tor.pid}\n`);
