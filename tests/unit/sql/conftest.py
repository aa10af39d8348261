"""A small shop in SQLite, with keys that the schema declares and values that questions name."""

import contextlib
import sqlite3

import pytest

from ziggurat.sql import Database

SHOP = """
CREATE TABLE city (city_id INTEGER PRIMARY KEY, city_name TEXT, region TEXT);
CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, full_name TEXT, city_id INTEGER REFERENCES city(city_id),
  status TEXT -- active or closed
);
CREATE TABLE product (product_id INTEGER PRIMARY KEY, title TEXT, kind TEXT, price REAL);
CREATE TABLE purchase (purchase_id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer(customer_id),
  product_id INTEGER REFERENCES product(product_id), amount INTEGER, year INTEGER, bought_on DATE);
CREATE VIEW dear AS SELECT title FROM product WHERE price > 100;
INSERT INTO city VALUES (1, 'New York', 'East'), (2, 'Los Angeles', 'West'), (3, 'São Paulo', 'South');
INSERT INTO customer VALUES (1, 'Ana Sousa', 3, 'active'), (2, 'Li Wei', 1, 'active'), (3, 'Tom Field', 1, 'closed');
INSERT INTO product VALUES (1, 'Lamp', 'Light', 20.5), (2, 'Chair', 'Furniture', 120), (3, 'Desk', 'Furniture', 300);
INSERT INTO purchase VALUES (1, 1, 1, 2, 2023, '2023-05-01'), (2, 2, 2, 1, 2024, '2024-02-11'),
  (3, 2, 3, 1, 2024, '2024-03-09'), (4, 3, 1, 5, 2024, '2024-03-30');
"""


@pytest.fixture
def shop_file(tmp_path):
    path = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SHOP)
    return path


@pytest.fixture
def shop(shop_file):
    return Database.open(shop_file)
