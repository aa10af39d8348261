"""Which functions a query may call: an allow-list, for every kind of database one of its own.

A name that is not here is refused, so a function nobody thought of (one that reads a file, sleeps,
takes a lock, counts a sequence up, asks another server) is refused too. Functions that make a large
value out of a small one are left out where a query can do without them, and bounded where it cannot.
"""

from __future__ import annotations

_COMMON = """
    abs acos asin atan atan2 avg cast ceil ceiling char char_length character_length coalesce concat concat_ws corr cos
    cot count covar_pop covar_samp cume_dist current_date current_time current_timestamp date datetime day degrees
    dense_rank exp extract first_value floor greatest hour if ifnull iif instr lag last_value lead least left length ln
    localtime localtimestamp log log10 log2 lower ltrim max min minute mod month now nth_value ntile nullif percent_rank
    percentile_cont percentile_disc pi position pow power quarter radians rand random rank regexp_like regexp_replace
    replace reverse right round row_number rtrim second sign sin soundex sqrt stddev stddev_pop stddev_samp strpos
    substr substring sum tan time timestamp translate trim trunc upper var_pop var_samp variance week year
"""
_SQLITE = """
    glob group_concat hex julianday like likelihood likely unlikely printf format quote
    regexp strftime string_agg timediff total typeof unicode unixepoch json json_array json_array_length json_each
    json_extract json_group_array json_group_object json_object json_quote json_tree json_type json_valid median
    bm25 highlight snippet match
"""
_POSTGRES = """
    age array array_agg array_length array_position array_to_string any all some ascii bit_and bit_or bool_and bool_or
    btrim cardinality chr clock_timestamp date_bin date_part date_trunc decode encode every format initcap isfinite
    json_agg json_array_elements json_array_elements_text json_array_length json_build_array json_build_object
    json_each json_each_text json_extract_path json_extract_path_text json_object_agg json_object_keys json_typeof
    jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_object_agg jsonb_object_keys jsonb_typeof
    justify_days justify_hours justify_interval lpad rpad make_date make_interval make_time make_timestamp md5 mode
    num_nonnulls num_nulls octet_length bit_length overlay plainto_tsquery regexp_count regexp_instr regexp_match
    regexp_matches regexp_split_to_array regexp_split_to_table regexp_substr regr_slope regr_intercept regr_r2
    scale split_part starts_with statement_timestamp string_agg string_to_array to_char to_date to_json to_jsonb
    to_number to_timestamp to_tsquery to_tsvector ts_rank transaction_timestamp unnest width_bucket generate_series
    similarity div gcd lcm cbrt nullif row
"""
_MYSQL = """
    adddate addtime any_value ascii bin bit_and bit_or bit_xor concat_ws conv convert convert_tz crc32 curdate curtime
    date_add date_format date_sub datediff dayname dayofmonth dayofweek dayofyear elt field find_in_set format
    from_days from_unixtime group_concat hex insert isnull json_arrayagg json_array json_contains json_extract
    json_keys json_length json_object json_objectagg json_type json_unquote json_valid json_value last_day lcase
    locate lpad rpad makedate maketime match md5 median microsecond mid monthname nvl nvl2 octet_length ord period_add
    period_diff regexp_instr regexp_substr sec_to_time sha1 sha2 std str_to_date strcmp subdate substring_index
    subtime sysdate time_format time_to_sec timediff timestampadd timestampdiff to_char to_days to_seconds truncate
    ucase unhex unix_timestamp utc_date utc_time utc_timestamp values weekday weekofyear yearweek against interval
"""
_DUCKDB = """
    age any_value approx_count_distinct approx_quantile arg_max arg_min array_agg array_length array_contains ascii
    base64 bit_and bit_or bool_and bool_or bar chr contains damerau_levenshtein date_add date_diff date_part date_sub
    date_trunc datediff datepart datesub datetrunc dayname dayofmonth dayofweek dayofyear decade editdist3 ends_with
    entropy epoch epoch_ms even exclude factorial favg filter first format fsum gcd generate_series range geomean
    greatest histogram hex isfinite isinf isnan isodow isoyear jaccard jaro_similarity jaro_winkler_similarity
    json_array_length json_extract json_extract_string json_keys json_object json_type json_valid kurtosis last
    last_day lcm len levenshtein list list_aggregate list_avg list_contains list_count list_distinct list_extract
    list_filter list_has list_max list_min list_slice list_sort list_sum list_transform list_unique list_value lpad
    rpad mad make_date make_time make_timestamp max_by md5 median min_by mode monthname ordinality prefix printf
    product quantile quantile_cont quantile_disc regexp_extract regexp_extract_all regexp_full_match regexp_matches
    regexp_split_to_array replace row sem skewness split split_part starts_with str_split string_agg string_split
    string_to_array strftime strip_accents strlen strptime struct_extract struct_pack suffix time_bucket timezone
    to_base to_days to_hours to_minutes to_months to_seconds to_timestamp to_weeks to_years try_cast try_strptime
    typeof unhex unicode unnest weekday weekofyear yearweek columns group_concat list_concat epoch_us today
    get_current_timestamp sha256 sha1 isnull
"""
_KEYWORDS = """
    all and any array as asc between by case cast check columns cross cube current desc distinct else end escape except
    exclude exists filter following for from full grouping group groups having ignore in inner intersect interval into
    is isnull join lateral left like limit match natural not notnull null nulls offset on or order ordinality outer over
    partition preceding range recursive respect right rollup row rows select sets similar some then to unbounded union
    unique unnest using value values when where window with within
"""
_TYPES = """
    bigint binary bit blob bool boolean bpchar char character date datetime decimal double float int integer json jsonb
    mediumint nchar numeric nvarchar number real smallint text time timestamp timestamptz timetz tinyint unsigned uuid
    varbinary varchar varying signed precision zone
"""
_OWN = {"sqlite": _SQLITE, "postgres": _POSTGRES, "mysql": _MYSQL, "duckdb": _DUCKDB}

WORDS = frozenset(f"{_KEYWORDS} {_TYPES}".split())
"""What may stand before a parenthesis and is no function."""

GROWING = frozenset({"lpad", "rpad"})
"""Functions that fill up to a length: it must be written as a small number."""
GROWN_AT_MOST = 1000


def allowed(dialect: str) -> frozenset[str]:
    """The functions that a query in a dialect may call, in lower case.

    Args:
        dialect: sqlglot's name; one that is not known here has the common functions only.
    """
    return frozenset(f"{_COMMON} {_OWN.get(dialect, '')}".split())
