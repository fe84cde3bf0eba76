import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ServiceError } from "./error.ts";
import {
  CLIENTS_MAX,
  checkServiceName,
  type ServiceClient,
  type ServiceRecord,
  serviceRecord,
} from "./record.ts";

/** The folder in the data directory. */
export const SERVICES_FOLDER = "services";
const RECORD_FILE = "service.json";
const KEY_FILE = "secret_key";
const CLIENTS_FOLDER = "clients";
/** A record with a hundred ports and clients; anything larger is no record. */
const FILE_BYTES_MAX = 65_536;

/** A kept service with its key. */
export interface KeptService {
  readonly record: ServiceRecord;
  /** The key in the form of its kind; never to be printed. */
  readonly key: Uint8Array;
}

/**
 * The services of one data directory: a folder each, for its owner only. A write is a new file
 * that takes the old one's place when it is whole on the disk, so a crash leaves the old or the new.
 */
export class ServiceStore {
  readonly #folder: string;

  /** @param dataDir the data directory; made when first written to */
  constructor(dataDir: string) {
    this.#folder = join(dataDir, SERVICES_FOLDER);
  }

  /** Names of the kept services, in order. */
  names(): string[] {
    try {
      return readdirSync(this.#folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
        .map((entry) => entry.name)
        .sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw storeFault(this.#folder, error);
    }
  }

  /**
   * Every kept service, without keys.
   *
   * @throws ServiceError `damaged`
   */
  list(): ServiceRecord[] {
    return this.names().map((name) => this.#record(name));
  }

  /**
   * Finds a service.
   *
   * @param name its name
   * @throws ServiceError `bad-name`, `not-found` or `damaged`
   */
  get(name: string): KeptService {
    const record = this.#record(name);
    if (!existsSync(this.keyFile(name))) {
      throw new ServiceError(
        "damaged",
        "local",
        `${this.keyFile(name)} is missing; restore it from a copy, since without it the address is lost.`,
      );
    }
    return { record, key: this.#read(name, KEY_FILE) };
  }

  /**
   * Where a service's key lies.
   *
   * @param name its name
   */
  keyFile(name: string): string {
    return join(this.#folder, name, KEY_FILE);
  }

  /**
   * Where the secret half of a client's key lies, ready for the client's ClientOnionAuthDir.
   *
   * @param name the service's name
   * @param client the client's name
   */
  clientFile(name: string, client: string): string {
    return join(this.#folder, name, CLIENTS_FOLDER, `${client}.auth_private`);
  }

  /** Whether the secret half of a client's key was made here. Arguments as of `clientFile`. */
  hasClientFile(name: string, client: string): boolean {
    return existsSync(this.clientFile(name, client));
  }

  /**
   * Tells one state of the store from another, cheaply: it differs after every `add`, `update` and
   * `remove`.
   */
  stamp(): string {
    return this.names()
      .map((name) => `${name} ${modifiedAt(join(this.#folder, name, RECORD_FILE))}`)
      .join("\n");
  }

  /**
   * Lets a client in: its line first, then the record, so that no client is listed whose key was
   * lost.
   *
   * @param name the service's name
   * @param client name and public key
   * @param credential what the client's file holds; undefined where the client made its own key
   * @returns the service's new record
   * @throws ServiceError `client-exists`, `too-many-clients`, `not-fit`, `not-found` or `store-failed`
   */
  addClient(name: string, client: ServiceClient, credential: string | undefined): ServiceRecord {
    const record = this.#record(name);
    checkServiceName(client.name);
    if (record.kind !== "onion") {
      throw new ServiceError(
        "not-fit",
        "config",
        `"${name}" is an I2P service; only onion services know their clients by key.`,
      );
    }
    if (record.clients.some((known) => known.name === client.name)) {
      throw new ServiceError(
        "client-exists",
        "config",
        `"${name}" has a client "${client.name}" already; choose another name, or remove it with anonctl hs auth remove ${name} ${client.name}.`,
      );
    }
    if (record.clients.length >= CLIENTS_MAX) {
      throw new ServiceError(
        "too-many-clients",
        "config",
        `"${name}" has ${CLIENTS_MAX} clients, which is the most that one service takes.`,
      );
    }
    if (credential !== undefined) {
      const file = this.clientFile(name, client.name);
      this.#attempt(() => {
        mkdirSync(join(this.#folder, name, CLIENTS_FOLDER), { recursive: true, mode: 0o700 });
        replaceFile(file, new TextEncoder().encode(credential));
      });
    }
    const next = { ...record, clients: [...record.clients, client] };
    this.update(next);
    return next;
  }

  /**
   * Lets a client in no longer; its file goes too.
   *
   * @param name the service's name
   * @param client the client's name
   * @returns the service's new record
   * @throws ServiceError `client-not-found`, `not-found` or `store-failed`
   */
  removeClient(name: string, client: string): ServiceRecord {
    const record = this.#record(name);
    const clients = record.clients.filter((known) => known.name !== client);
    if (clients.length === record.clients.length) {
      const known = record.clients.map((one) => one.name).join(", ");
      throw new ServiceError(
        "client-not-found",
        "config",
        `"${name}" has no client "${client}"; ${known === "" ? "everybody may connect" : `there are ${known}`}.`,
      );
    }
    const next = { ...record, clients };
    this.update(next);
    this.#attempt(() => rmSync(this.clientFile(name, client), { force: true }));
    return next;
  }

  /**
   * Keeps a new service.
   *
   * @param service record and key
   * @throws ServiceError `exists` or `store-failed`
   */
  add(service: KeptService): void {
    const { name } = service.record;
    checkServiceName(name);
    if (this.names().includes(name)) {
      throw new ServiceError(
        "exists",
        "config",
        `There is a service "${name}" already; choose another name, or remove it with anonctl hs remove ${name}.`,
      );
    }
    // Built aside and moved into place: a half-made service would have an address without a key.
    const aside = join(this.#folder, `.${name}.new`);
    this.#attempt(() => {
      rmSync(aside, { recursive: true, force: true });
      mkdirSync(aside, { recursive: true, mode: 0o700 });
      writeWhole(join(aside, KEY_FILE), service.key);
      writeWhole(join(aside, RECORD_FILE), encodeRecord(service.record));
      renameSync(aside, join(this.#folder, name));
      syncFolder(this.#folder);
    });
  }

  /**
   * Replaces a service's record; its key stays.
   *
   * @param record of a service that is kept
   * @throws ServiceError `not-found` or `store-failed`
   */
  update(record: ServiceRecord): void {
    this.#record(record.name);
    const file = join(this.#folder, record.name, RECORD_FILE);
    this.#attempt(() => {
      replaceFile(file, encodeRecord(record));
    });
  }

  /**
   * Forgets a service and its key for good.
   *
   * @param name its name
   * @throws ServiceError `not-found` or `store-failed`
   */
  remove(name: string): void {
    this.#record(name);
    this.#attempt(() => {
      const aside = join(this.#folder, `.${name}.old`);
      rmSync(aside, { recursive: true, force: true });
      renameSync(join(this.#folder, name), aside);
      rmSync(aside, { recursive: true, force: true });
    });
  }

  #record(name: string): ServiceRecord {
    checkServiceName(name);
    const text = Buffer.from(this.#read(name, RECORD_FILE)).toString("utf8");
    try {
      const record = serviceRecord.parse(JSON.parse(text));
      if (record.name === name) return record;
    } catch {
      // Falls through: what is wrong inside does not help the user, where it is does.
    }
    throw new ServiceError(
      "damaged",
      "local",
      `${join(this.#folder, name, RECORD_FILE)} is damaged; restore it from a copy, or remove the folder.`,
    );
  }

  #read(name: string, file: string): Uint8Array {
    const path = join(this.#folder, name, file);
    try {
      const bytes = readFileSync(path);
      if (bytes.length <= FILE_BYTES_MAX) return bytes;
      throw new ServiceError("damaged", "local", `${path} has over ${FILE_BYTES_MAX} bytes.`);
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      if (!isMissing(error)) throw storeFault(path, error);
      const known = this.names().join(", ");
      throw new ServiceError(
        "not-found",
        "config",
        `There is no service "${name}"; ${known === "" ? "none is kept yet" : `there are ${known}`}.`,
      );
    }
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw storeFault(this.#folder, error);
    }
  }
}

function encodeRecord(record: ServiceRecord): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(serviceRecord.parse(record), null, 2)}\n`);
}

/** A new file takes the old one's place when it is whole on the disk. */
function replaceFile(file: string, bytes: Uint8Array): void {
  rmSync(`${file}.new`, { force: true });
  writeWhole(`${file}.new`, bytes);
  renameSync(`${file}.new`, file);
  syncFolder(dirname(file));
}

function modifiedAt(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.mtimeNs} ${found.ino}`;
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "w", 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function storeFault(path: string, cause: unknown): ServiceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ServiceError(
    "store-failed",
    "local",
    `${path} can't be used (${reason}); give another --data-dir or mend its permissions.`,
    { cause },
  );
}
