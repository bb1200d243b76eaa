/**
 * Socket.IO alone: what a server of it costs that checks nothing and stores nothing. It says `ready` with the
 * acknowledged connection, gives out numbers from memory, and tells the room. PORT: where it listens.
 */
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { makeMessage, type SentMessage } from './message.ts';

const http = createServer((_request, response) => response.end('ok'));
const io = new Server(http, { transports: ['websocket'], serveClient: false });
const heads = new Map<string, number>();

io.on('connection', (socket) => {
  const room = String(socket.handshake.query.room);
  socket.join(room);
  socket.on('message:send', (sent: SentMessage, acknowledge: (answer: unknown) => void) => {
    const seq = (heads.get(room) ?? 0) + 1;
    heads.set(room, seq);
    const message = makeMessage(sent, seq, socket.id);
    io.to(room).emit('message:created', { conversationId: room, rev: seq, message });
    acknowledge({ ok: true, data: message });
  });
});
http.listen(Number(process.env.PORT), '127.0.0.1');
