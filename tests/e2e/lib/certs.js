// Certificates for tests, made with openssl in a folder of their own.
'use strict';
const { execFileSync } = require('node:child_process');
const { X509Certificate } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

class Certificates {
  constructor() {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-certs-'));
    this.count = 0;
  }

  remove() {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  openssl(...args) {
    return execFileSync('openssl', args, { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  // One certificate: {name, cert, key, certFile, keyFile, sha1, sha256}. `issuer`: another one of ours,
  // whose chain comes along; `ca`: it may sign; `from`, `to`: YYYYMMDDHHMMSSZ.
  make(name, { issuer, ca = false, from = '20200101000000Z', to = '20991231235959Z', extensions = [] } = {}) {
    const at = `c${this.count++}`;
    const file = (end) => path.join(this.dir, `${at}.${end}`);
    const all = [ca ? 'basicConstraints=critical,CA:TRUE' : 'basicConstraints=critical,CA:FALSE',
      ca ? 'keyUsage=critical,keyCertSign,cRLSign' : 'keyUsage=critical,digitalSignature', ...extensions];
    fs.writeFileSync(file('cnf'), `[req]\ndistinguished_name=dn\n[dn]\n[v3]\n${all.join('\n')}\n`
      + `[ca]\ndefault_ca=this\n[this]\ndatabase=${file('db')}\nnew_certs_dir=${this.dir}\nserial=${file('srl')}\n`
      + 'default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n');
    fs.writeFileSync(file('db'), '');
    fs.writeFileSync(file('srl'), `${1000 + this.count}`);
    this.openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name.replaceAll('/', '\\/')}`,
      '-keyout', file('key'), '-out', file('csr'), '-config', file('cnf'));
    const signer = issuer ? ['-cert', issuer.certFile, '-keyfile', issuer.keyFile] : ['-selfsign', '-keyfile', file('key')];
    this.openssl('ca', '-batch', '-notext', '-config', file('cnf'), '-in', file('csr'), '-out', file('pem'),
      '-startdate', from, '-enddate', to, '-extensions', 'v3', ...signer);
    const own = fs.readFileSync(file('pem'), 'utf8');
    const read = new X509Certificate(own);
    const hex = (text) => text.replaceAll(':', '');
    const cert = issuer ? own + issuer.cert : own;
    fs.writeFileSync(file('chain'), cert);
    return {
      name, own, cert, key: fs.readFileSync(file('key'), 'utf8'), certFile: file('pem'), keyFile: file('key'), chainFile: file('chain'),
      sha1: hex(read.fingerprint), sha256: hex(read.fingerprint256),
    };
  }

  selfSigned(name, options) {
    return this.make(name, options);
  }

  authority(name, options) {
    return this.make(name, { ca: true, ...options });
  }
}

module.exports = { Certificates };
