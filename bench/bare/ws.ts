/**
 * WebSockets alone, about as near to the floor as JavaScript comes: one frame is made for a message and written as it is
 * to every member. Nothing is checked or stored. PORT: where it listens.
 */
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { makeMessage, type SentMessage } from './message.ts';

const http = createServer((_request, response) => response.end('ok'));
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
const rooms = new Map<string, { seq: number; members: Set<Socket> }>();

server.on('connection', (webSocket, request) => {
  const name = new URL(request.url ?? '', 'http://localhost').searchParams.get('room') ?? '';
  const room = rooms.get(name) ?? { seq: 0, members: new Set() };
  rooms.set(name, room);
  room.members.add(request.socket);
  webSocket.once('close', () => room.members.delete(request.socket));
  webSocket.on('message', (data) => {
    const sent = JSON.parse(String(data)) as SentMessage & { id: number };
    room.seq += 1;
    const frame = frameOf(JSON.stringify({ message: makeMessage(sent, room.seq, name) }));
    for (const member of room.members) member.write(frame);
    request.socket.write(frameOf(`{"ack":${sent.id}}`));
  });
  request.socket.write(frameOf('{"ready":true}'));
});
http.listen(Number(process.env.PORT), '127.0.0.1');

/** A text frame of up to 64 KiB, unmasked, as servers send it. */
function frameOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 2 : 4;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = 0x81;
  frame[1] = Math.min(length, 126);
  if (head === 4) frame.writeUInt16BE(length, 2);
  frame.write(text, head);
  return frame;
}
