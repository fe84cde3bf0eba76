import type { DaemonLogin } from "../lib/relay/gateway-digest.ts";
import type { DaemonOptionNames } from "../lib/relay/gateway-option.ts";
import { readCertificates } from "../lib/relay/gateway-tls.ts";
import { readBounded } from "./bounded-file.ts";
import { UsageError } from "./usage-error.ts";

/** A certificate has 1 KiB; a file of all authorities has 300. */
const CERTIFICATE_FILE_BYTES_MAX = 4_194_304;
const LOGIN_FILE_BYTES_MAX = 4_096;
/** What would end a quoted string in the header that carries the name. */
const LOGIN_FORM = /^([^\x00-\x1f":\\]+):([^\x00-\x1f]+)$/;

/**
 * Reads the certificates that a remote daemon may show.
 *
 * @param file its name; undefined where none was given
 * @param options how the daemon's options are called
 * @returns PEM; undefined where no file was given
 * @throws UsageError or GatewayError, naming the option
 */
export function readCertificateFile(
  file: string | undefined,
  { certFile }: DaemonOptionNames,
): string[] | undefined {
  if (file === undefined) return undefined;
  const text = readText(certFile, file, CERTIFICATE_FILE_BYTES_MAX);
  return readCertificates(text, `${certFile} ${file}`);
}

/**
 * Reads name and password for a remote daemon with `--rpc-login`.
 *
 * @param file its name; undefined where none was given
 * @param options how the daemon's options are called
 * @throws UsageError, naming the option; never with what the file holds
 */
export function readLoginFile(
  file: string | undefined,
  { loginFile }: DaemonOptionNames,
): DaemonLogin | undefined {
  if (file === undefined) return undefined;
  const text = readText(loginFile, file, LOGIN_FILE_BYTES_MAX).replace(/\r?\n$/, "");
  const [, user, password] = LOGIN_FORM.exec(text) ?? [];
  if (user !== undefined && password !== undefined) return { user, password };
  throw usage(`${loginFile} ${file} does not hold one line USER:PASSWORD.`);
}

function readText(option: string, file: string, bytesMax: number): string {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(file, bytesMax);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usage(`${option} ${file} can't be read (${why}).`);
  }
  if (bytes === undefined) throw usage(`${option} ${file} has over ${bytesMax} bytes.`);
  return Buffer.from(bytes).toString("utf8");
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
