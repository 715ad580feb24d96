import { describe, expect, it } from 'vitest';
import { webSocketUrl } from './webSocketUrl.js';

describe('webSocketUrl', () => {
  it.each([
    ['ws://host:8080', 'ws://host:8080/'],
    ['wss://host', 'wss://host/'],
    ['http://host:8080', 'ws://host:8080/'],
    ['https://host/path?region=eu', 'wss://host/path?region=eu'],
    ['WS://Host/#part', 'ws://host/'],
    ['ws://[::1]:9', 'ws://[::1]:9/'],
  ])('makes of %s %s', (endpoint, url) => {
    expect(webSocketUrl(endpoint)).toBe(url);
  });

  it.each(['', 'host:8080', '//host', 'ftp://host', 'javascript:alert(1)', 'file:///etc'])('refuses %j', (endpoint) => {
    expect(() => webSocketUrl(endpoint)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
  });

  it.each([
    'ws://user:hunter2@host',
    'ws://hunter2@host',
    'ws://host/?token=hunter2',
    'ws://host/?x=1&access_token=hunter2',
    'ws://host/?JWT=hunter2',
    'ws://host/?api_key=hunter2',
  ])('refuses a credential in the URL and does not repeat it: %s', (endpoint) => {
    expect(() => webSocketUrl(endpoint)).toThrow(/credential/);
    expect(() => webSocketUrl(endpoint)).not.toThrow(/hunter2/);
  });
});
