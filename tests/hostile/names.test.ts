import { encodeValue } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { Attacker, rowsIn } from './support/Attacker.js';
import { VirtualNode } from './support/VirtualNode.js';

const NAMES = [
  '__proto__',
  '__proto_',
  'constructor',
  'toString',
  'hasOwnProperty',
  'a/../b',
  'b',
  '*',
  '>',
  '.',
  'with space',
  ' ',
  'line\nbreak',
  'return\r',
  'nul\u0000',
  'nul',
  '\u00e9',
  'e\u0301',
  '\u2028',
  '\u202e',
  '\ufffd',
  '😀',
  '$where',
  '_key',
];

describe('odd names', () => {
  it('of maps and keys are kept byte by byte, each apart from all others', async () => {
    const node = await VirtualNode.start();
    const eve = await Attacker.join(node, 'eve');
    const rows = NAMES.flatMap((map) => NAMES.map((key) => ({ map, key, value: { [`of ${map}`]: key } })));
    expect(await eve.write(...rows)).toEqual([]);
    for (const { map, key, value } of rows) expect(node.plane.read(map, key)?.value).toEqual(value);
    for (const [queryId, map] of NAMES.entries()) {
      eve.take();
      await eve.subscribe(queryId, map);
      expect(rowsIn(eve.take()).sort()).toEqual([...NAMES].sort());
    }
    const restarted = node.createPlane();
    await restarted.open();
    for (const { map, key, value } of rows) expect(restarted.read(map, key)?.value).toEqual(value);
  });

  it('of topics reach those who asked for these very bytes', async () => {
    const node = await VirtualNode.start();
    const eve = await Attacker.join(node, 'eve');
    const ears = await Promise.all(NAMES.map((_, i) => Attacker.join(node, 'ann', `ear-${i}`)));
    for (const [i, ear] of ears.entries()) await ear.send({ type: 'TOPIC_SUB', topic: NAMES[i] as string });
    for (const topic of NAMES) await eve.send({ type: 'TOPIC_PUB', topic, payload: encodeValue(topic) });
    for (const [i, ear] of ears.entries())
      expect(ear.peer.all('TOPIC_MESSAGE').map(({ topic }) => topic)).toEqual([NAMES[i]]);
  });

  it('of fields are fields like others, in values and in queries, and reach no prototype', async () => {
    const node = await VirtualNode.start();
    const eve = await Attacker.join(node, 'eve');
    const fields = NAMES.filter((name) => !/^[$]|[.]|^_key$/.test(name));
    for (const [i, name] of fields.entries()) {
      const value = Object.defineProperty({}, name, {
        value: { deep: i },
        enumerable: true,
        configurable: true,
        writable: true,
      });
      await eve.write({ map: 'm', key: `${i}`, value });
    }
    for (const [i, name] of fields.entries()) {
      eve.take();
      const where = Object.defineProperty({}, `${name}.deep`, { value: i, enumerable: true });
      await eve.subscribe(1, 'm', { where });
      expect(rowsIn(eve.take()), name).toEqual([`${i}`]);
    }
    for (const path of ['constructor.name', 'toString.length', '__proto__.toString', 'length', 'deep.constructor']) {
      eve.take();
      await eve.subscribe(1, 'm', { where: { [path]: { $exists: true } } });
      expect(rowsIn(eve.take()), path).toEqual([]);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('are judged by rules as these very bytes', async () => {
    const node = await VirtualNode.start({}, [{ maps: ['a/*', 'caf\u00e9'], allow: ['read', 'write'] }]);
    const eve = await Attacker.join(node, 'eve');
    const allowed = ['a/', 'a/../b', 'a/\u0000', 'caf\u00e9'];
    const denied = ['b', 'A/b', ' a/b', 'a\u0000/b', 'a', '\u0000a/b', 'cafe\u0301', '%61/b', 'a\u2215b', '*'];
    for (const map of allowed) expect(await eve.write({ map, key: 'k' }), map).toEqual([]);
    for (const map of denied)
      expect(await eve.write({ map, key: 'k' }), map).toEqual(['FORBIDDEN: not allowed to write here']);
    for (const map of denied) await eve.subscribe(1, map);
    expect(eve.errors).toHaveLength(denied.length);
  });

  it('make no second line in the log, and no label in the metrics', async () => {
    const node = await VirtualNode.start();
    const forged = 'x\n{"level":"error","message":"forged"}\r\n';
    const eve = await Attacker.join(node, 'eve');
    await eve.write({ map: forged, key: forged, value: forged });
    await eve.subscribe(1, forged, { where: { [forged]: 1 } });
    await eve.subscribe(2, forged, { [forged]: 1 });
    await eve.send({ type: 'TOPIC_PUB', topic: forged, payload: new Uint8Array([0xc1]) });
    await eve.send({ type: 'TOPIC_SUB', topic: forged });
    const stranger = await Attacker.join(node, forged);
    expect(stranger.peer.closed).not.toBeNull();
    for (const line of node.logger.lines) {
      expect(line).not.toMatch(/[\r\n]/);
      expect(line).not.toContain('forged');
    }
    // What is said to a peer is one line as well: clients log it.
    for (const { message } of eve.peer.all('ERROR')) expect(message).not.toMatch(/[\r\n]/);
  });
});
