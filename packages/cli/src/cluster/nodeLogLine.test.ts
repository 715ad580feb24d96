import { describe, expect, it } from 'vitest';
import { nodeLogLine } from './nodeLogLine.js';

describe('nodeLogLine', () => {
  it('puts the name of the node before each line for people', () => {
    const line = JSON.stringify({ time: 0, level: 50, msg: 'lost', err: { stack: 'Error: x\n    at y' } });
    const parts = nodeLogLine('node-2', line, true).split('\n');
    expect(parts).toHaveLength(3);
    for (const part of parts) expect(part).toMatch(/^node-2 \| /);
    expect(nodeLogLine('node-2', 'plain', true)).toBe('node-2 | plain');
  });

  it('puts it into JSON for programs', () => {
    const line = nodeLogLine('node-2', '{"level":30,"msg":"serving"}', false);
    expect(JSON.parse(line)).toEqual({ node: 'node-2', level: 30, msg: 'serving' });
    expect(nodeLogLine('node-2', 'plain', false)).toBe('node-2 | plain');
  });
});
