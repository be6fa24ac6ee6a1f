/** Certificates for tests, made by openssl when they are needed: a CA of our own, and a server certificate it signed. */

export interface TestCertificates {
  /** PEM of the CA. */
  ca: string;
  /** PEM of the server's certificate and key. */
  cert: string;
  key: string;
}

/** A server certificate for `subjectAltName`, e.g. `IP:127.0.0.1` or `DNS:hpb.example`. */
export async function makeCertificates(subjectAltName: string): Promise<TestCertificates> {
  const folder = await Deno.makeTempDir();
  const path = (name: string) => `${folder}/${name}`;
  try {
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await openssl(
      "req",
      "-x509",
      ...newKey,
      "-days",
      "2",
      "-subj",
      "/CN=Test CA",
      "-keyout",
      path("ca.key"),
      "-out",
      path("ca.pem"),
      "-addext",
      "keyUsage=critical,keyCertSign",
    );
    await openssl(
      "req",
      ...newKey,
      "-subj",
      "/CN=Test server",
      "-keyout",
      path("server.key"),
      "-out",
      path("server.csr"),
    );
    await Deno.writeTextFile(
      path("server.ext"),
      `subjectAltName=${subjectAltName}\nextendedKeyUsage=serverAuth\n`,
    );
    await openssl(
      "x509",
      "-req",
      "-days",
      "2",
      "-in",
      path("server.csr"),
      "-CA",
      path("ca.pem"),
      "-CAkey",
      path("ca.key"),
      "-CAcreateserial",
      "-extfile",
      path("server.ext"),
      "-out",
      path("server.pem"),
    );
    const [ca, cert, key] = await Promise.all(
      ["ca.pem", "server.pem", "server.key"].map((name) => Deno.readTextFile(path(name))),
    );
    return { ca, cert, key };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** PEM files of a certificate that is its own CA, and of its key; gone when it is disposed. */
export interface OwnCertificate extends AsyncDisposable {
  certPath: string;
  keyPath: string;
}

/** As media servers have them. `key` is what `openssl req -newkey` is to make. */
export async function makeOwnCertificate(key: readonly string[]): Promise<OwnCertificate> {
  const folder = await Deno.makeTempDir();
  const [certPath, keyPath] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  const remove = () => Deno.remove(folder, { recursive: true });
  const subject = ["-nodes", "-days", "2", "-subj", "/CN=Test"];
  try {
    await openssl("req", "-x509", "-newkey", ...key, ...subject, "-out", certPath, "-keyout", keyPath);
  } catch (error) {
    await remove();
    throw error;
  }
  return { certPath, keyPath, [Symbol.asyncDispose]: remove };
}

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`Cannot make certificates: ${new TextDecoder().decode(stderr)}`);
}
