{{ config(tags=["filled_by_python"]) }}

{{ empty_contract() }}
