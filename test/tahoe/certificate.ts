import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dir, "../vectors/tahoe");
const read = (name: string): string => readFileSync(join(folder, name), "utf8");

/** A certificate, and what OpenSSL says of it. */
export interface KnownCertificate {
  readonly pem: string;
  readonly der: Uint8Array;
  readonly tubId: string;
  readonly spkiHash: string;
}

function known(name: string, tubId: string, spkiHash: string): KnownCertificate {
  const pem = read(name);
  return { pem, der: new X509Certificate(pem).raw, tubId, spkiHash };
}

/** P-256; its key is {@link tubKey}. */
export const tubCertificate = known(
  "tub-certificate.pem",
  "fwq3qoy2keu2byhai3na2ovvs74elckg",
  "c86Nb-fmGEImOtwftvtu1GZ557YNb__c2wtvbD_W908",
);

/** Ed25519, of somebody else. */
export const otherCertificate = known(
  "other-certificate.pem",
  "wn5jpmxko6qwyjtco7ktzirnaqttrvo6",
  "2xj_TrSh66a4FsGZ4EZUtC-1hbjYi3k35nXW88KA4Lc",
);

/** Key of {@link tubCertificate}, PEM. */
export const tubKey = read("tub-key.pem");
