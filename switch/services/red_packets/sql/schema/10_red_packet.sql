-- Red packets: so many gifts of so much, each into a purse beside a wallet, for who comes first
-- or by lot.

CREATE TABLE red_packets.packet (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- who gives
    account        uuid NOT NULL,  -- the giver's: the purpose's
    purpose        uuid NOT NULL,  -- that what is given is bound to
    currency       text NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),  -- of each gift
    count          integer NOT NULL CHECK (count > 0),
    entries        integer NOT NULL DEFAULT 0,
    won            integer NOT NULL DEFAULT 0,
    draw_at        timestamptz,  -- null: who comes first
    seed           bytea CHECK (octet_length(seed) = 32),  -- of the lots; told after the draw
    drawn_at       timestamptz,
    last_lot       bytea,  -- the largest that has won
    is_told        boolean NOT NULL DEFAULT true,  -- every entry says what became of it
    not_after      timestamptz NOT NULL,  -- the purpose's
    created_at     timestamptz NOT NULL,
    CONSTRAINT never_more_than_there_are CHECK (won BETWEEN 0 AND least(count, entries)),
    CONSTRAINT lots_have_a_seed CHECK ((draw_at IS NULL) = (seed IS NULL)),
    CONSTRAINT drawn_when_it_is_time CHECK (drawn_at >= draw_at),
    CONSTRAINT told_after_the_draw CHECK (is_told OR drawn_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX packet_to_draw ON red_packets.packet (draw_at)
    WHERE draw_at IS NOT NULL AND drawn_at IS NULL;
CREATE INDEX packet_to_tell ON red_packets.packet (id) WHERE NOT is_told;

CREATE TABLE red_packets.entry (
    id             uuid PRIMARY KEY,
    packet         uuid NOT NULL REFERENCES red_packets.packet,
    participant_no integer NOT NULL,  -- who holds the wallet
    wallet         uuid NOT NULL,
    status         text NOT NULL CHECK (status IN ('waiting', 'won', 'lost', 'given')),
    lot            bytea,  -- SHA-256 of seed and id, secret until the draw; the smallest win
    purse          uuid,
    payment        uuid,
    attempts       smallint NOT NULL DEFAULT 0,
    reason         text,  -- why it could not be given the last time
    try_at         timestamptz,  -- when it is to be given; null unless it is won
    created_at     timestamptz NOT NULL,
    UNIQUE (packet, wallet),
    CONSTRAINT won_is_to_be_given CHECK ((status = 'won') = (try_at IS NOT NULL)),
    CONSTRAINT given_by_a_payment CHECK ((status = 'given') = (payment IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX entry_of_packet ON red_packets.entry (packet, id);
CREATE INDEX entry_by_lot ON red_packets.entry (packet, lot) WHERE status = 'waiting';
CREATE INDEX entry_to_give ON red_packets.entry (try_at) WHERE try_at IS NOT NULL;
