import { Outgoing } from '@fledge/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { expectInvalid } from '../support/problem.js';
import { Receiver } from '../support/receiver.js';
import { until } from '../support/wait.js';

const CLOSED = { http: false, addresses: [], timeoutMs: 2_000 };
const codesOf = (outgoing: Outgoing, url: string): string[] => outgoing.problems(url, '/url').map(({ code }) => code);

describe('an address that somebody names', () => {
  it.each([
    ['this machine', '127.0.0.1', '127.255.0.1', '0.0.0.0', '[::1]', '[::]'],
    ['a private network', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '[fd00::1]', '[fec0::1]'],
    [
      'a neighbour or the metadata of a cloud',
      '169.254.169.254',
      '[fe80::1]',
      '[fd00:ec2::254]',
      '100.100.100.200',
      '168.63.129.16',
      '192.0.0.192',
    ],
    [
      'a provider\u2019s inside, a test network, many at once',
      '100.64.0.1',
      '198.18.0.1',
      '192.0.2.1',
      '224.0.0.1',
      '255.255.255.255',
      '240.0.0.1',
      '[ff02::1]',
    ],
    [
      'one of those in IPv6\u2019s clothes',
      '[::ffff:127.0.0.1]',
      '[::ffff:a00:1]',
      '[::127.0.0.1]',
      '[64:ff9b::a00:1]',
      '[2002:7f00:1::]',
      '[2001::1]',
    ],
    ['one of those written otherwise', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '127.0.0.1.'],
  ])('is refused when it is %s', (_what, ...hosts) => {
    const outgoing = new Outgoing(CLOSED);
    for (const host of hosts)
      expect({ host, codes: codesOf(outgoing, `https://${host}/x`) }).toEqual({ host, codes: ['forbidden_address'] });
  });

  it('is accepted when it is public, or allowed by the installation', () => {
    const outgoing = new Outgoing({ ...CLOSED, addresses: ['10.1.0.0/16', '127.0.0.1', 'fd00:1::/32'] });
    for (const host of [
      '93.184.215.14',
      '[2606:4700::1111]',
      'example.com',
      '10.1.2.3',
      '[::ffff:10.1.2.3]',
      '[fd00:1::5]',
    ])
      expect({ host, codes: codesOf(outgoing, `https://${host}/x`) }).toEqual({ host, codes: [] });
    for (const host of ['10.2.0.1', '127.0.0.2', '[fd00:2::1]'])
      expect({ host, codes: codesOf(outgoing, `https://${host}/x`) }).toEqual({ host, codes: ['forbidden_address'] });
  });

  it('is https alone, unless the installation allows more, without a password or a fragment', () => {
    const closed = new Outgoing(CLOSED);
    for (const url of [
      'http://example.com/',
      'ftp://example.com/',
      'file:///etc/passwd',
      'x',
      '',
      'https://u@example.com/',
      'https://example.com/#x',
    ])
      expect({ url, codes: codesOf(closed, url) }).toEqual({ url, codes: ['format'] });
    expect(codesOf(new Outgoing({ ...CLOSED, http: true }), 'http://example.com/')).toEqual([]);
  });
});

describe('a name that leads inside', () => {
  let api: TestApi;
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await Receiver.start();
    const retries = { attempts: 1, firstDelayMs: 1, longestDelayMs: 1 };
    api = await startApi({}, undefined, { outgoing: { ...CLOSED, http: true, retries } });
  });
  afterAll(async () => {
    await api.stop();
    await receiver.stop();
  });

  it('is found out when it is resolved, and nothing is connected to', async () => {
    const port = new URL(receiver.url).port;
    const webhooks = '/projects/default/webhooks';
    await api.admin.post(webhooks, { key: 'inside', url: `http://localhost:${port}/` }).expect(201);
    await api.admin.post(`${webhooks}/inside/test`).expect(202);
    await until(async () => {
      const { body } = await api.admin.get(`${webhooks}/inside/deliveries?state=failed`);
      const [delivery] = (body as { items: { detail: string; status: number | null }[] }).items;
      return delivery?.status === null && delivery.detail.includes('not a public one (loopback)');
    }, 'the delivery is refused');
    expect(receiver.received).toEqual([]);
    expectInvalid(await api.admin.post(webhooks, { key: 'literal', url: receiver.url }), '/url forbidden_address');
  });
});
