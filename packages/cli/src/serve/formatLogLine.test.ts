import { describe, expect, it } from 'vitest';
import { formatLogLine } from './formatLogLine.js';

describe('a log line on a terminal', () => {
  it('has time, level, message and details', () => {
    const line = formatLogLine('{"level":40,"time":0,"node":"n1","count":2,"msg":"something"}');
    expect(line).toMatch(/^\d\d:\d\d:\d\d WARN {2}something node=n1 count=2\n$/);
  });

  it('shows the stack of an error below', () => {
    const line = formatLogLine(
      '{"level":50,"time":0,"msg":"failed","err":{"message":"no","stack":"Error: no\\n    at x"}}',
    );
    expect(line).toMatch(/ERROR failed\n {2}Error: no\n {4}at x\n$/);
  });

  it('lets through what is no log line', () => {
    expect(formatLogLine('plain text\n')).toBe('plain text\n');
  });
});
